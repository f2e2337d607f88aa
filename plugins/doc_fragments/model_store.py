# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``model_sync``, and of ``model_plan``, which takes the same."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  root:
    description:
      - Directory of the store. It is made if missing.
      - Blobs, sets and partial files lie below it, on one file system.
    type: path
    default: /var/lib/drydock/models
  models:
    description:
      - The models that must be in place, each in one version, which becomes its current one.
      - Other models in the store are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the model, the directory below C(sets).
        type: str
        required: true
      version:
        description: Its version, the directory below the name.
        type: str
        required: true
      files:
        description: All files of this version.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Path of the file in the set, relative, with C(/).
            type: str
            required: true
          urls:
            description:
              - Where the file is, in order of preference. Schemes C(http), C(https) and C(file).
              - Schemes C(hf), C(s3) and C(oci) are resolved on the controller when something must be fetched, so that
                the host gets no credentials that last.
              - Credentials in an address are refused, use O(headers).
            type: list
            elements: str
            required: true
          checksum:
            description:
              - C(sha256:) and 64 hexadecimal digits.
              - A file without a digest is refused.
            type: str
          size:
            description:
              - Size in bytes, from the lock file.
              - A file without a size is refused, because room on disk is promised before the first byte is fetched.
            type: int
          minimum_size:
            description: Bytes below which the file is taken for a placeholder and refused.
            type: int
            default: 1
      formats:
        description:
          - Names of the only formats that the files of this model may have, for example V(safetensors), V(gguf) or
            V(onnx).
          - Without it all formats that cannot run code when they are loaded. Pickles are refused whatever their name.
        type: list
        elements: str
      exempt:
        description: Files that are let through although their format is refused.
        type: list
        elements: dict
        default: []
        suboptions:
          checksum:
            description: Digest of the file.
            type: str
            required: true
          reason:
            description: Why it is let through.
            type: str
            required: true
          until:
            description:
              - Last day on which it may be fetched, such as V(2027-01-31).
              - A set that is in place stays after that day, with a warning.
            type: str
            required: true
  owner:
    description:
      - Name or number of the user who owns blobs and sets.
      - An owner can change the files. What serves the models should run as somebody else.
    type: str
    default: root
  group:
    description: Name or number of the group of blobs and sets.
    type: str
    default: root
  mode:
    description:
      - Permission bits of the files, without any write bit. Directories get the matching search bits.
    type: str
    default: "0444"
  keep:
    description:
      - How many versions of each model stay, the current one included.
      - Older ones are removed after the new one is current.
      - A version that is mounted by a running container or named in O(releases) stays in any case.
    type: int
    default: 2
  releases:
    description:
      - Directory whose C(*/release.json) are the records of releases. Versions they name are never removed, so that
        going back finds its models.
      - While one of the records cannot be read, no version is removed.
      - The store remembers this directory and the models of the call. So several stacks may share a store, and none
        removes a version that another one wants or has in a release.
    type: path
  reserve:
    description: Room that must be left on the file system after fetching, in bytes or as V(500MB) or V(1GiB).
    type: str
    default: 1GiB
  verify:
    description:
      - With V(receipts), a blob is hashed again only when its size, inode or one of its times differ from when it was
        last hashed.
      - With V(full), every wanted blob is hashed.
    type: str
    choices: [receipts, full]
    default: receipts
  fetch:
    description:
      - With V(false), everything is done that needs no source. When something must be fetched, nothing is changed and
        RV(pending) is true.
    type: bool
    default: true
  bundle:
    description: Archive on the host, made by the playbook C(bundle), that is tried before any source.
    type: path
  seed:
    description:
      - How hosts of one group give each other what one of them has fetched, so that the origin sends each byte once.
      - When something must be fetched, the host serves its blobs to the group on O(seed.listen) over TLS, from a
        process without rights that ends by itself, and asks the others for what it wants before it goes to the origin.
      - The digest judges what peers send as it does everything else. Any failure of a peer leads to another one, then
        to the origin.
    type: dict
    suboptions:
      listen:
        description: Port to serve the group on. Only the group should get through to it.
        type: int
        required: true
      name:
        description: Name of this host among O(seed.peers).
        type: str
        required: true
      peers:
        description: All hosts of the group, in one order for all. Of those that want a file, the first one fetches it.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the host.
            type: str
            required: true
          address:
            description: Where the others reach it.
            type: str
            required: true
          port:
            description: Its port, where it is not O(seed.listen).
            type: int
      token:
        description: What every request of the group carries. The controller makes it for each run.
        type: str
      certificate:
        description: The certificate of the group, in PEM. The controller makes it for each run; no other is accepted.
        type: str
      key:
        description: Its private key (PKCS8, DER) in base64, in one line. The controller makes it for each run.
        type: str
      idle:
        description: Seconds without a request of the group after which serving ends.
        type: float
        default: 60
      wait:
        description: Seconds that this host waits at most for others, in all. Serving ends so long after its sync, too.
        type: float
        default: 3600
      patience:
        description: Seconds after which a host that gets no further, although it answers, is not waited for any longer.
        type: float
        default: 400
  connections:
    description: Requests at once, over all files; several for one big file. From 1 to 64.
    type: int
    default: 8
  bandwidth:
    description: Most bytes per second over all connections, such as V(50MB). Empty for no limit.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for a connection.
    type: float
    default: 30
  stall_timeout:
    description: Seconds to wait for the next byte of an answer, and for all of its headers together.
    type: float
    default: 60
  minimum_rate:
    description:
      - Bytes per second, averaged over O(stall_timeout), below which a connection counts as stalled. 0 switches it off.
      - Each connection has to reach it by itself, so a link of less than 8 kB a second needs fewer O(connections) or a
        smaller number here.
    type: int
    default: 1024
  total_timeout:
    description: Seconds for all downloads together. What was received is kept for the next run. 0 for no limit.
    type: float
    default: 0
  retries:
    description:
      - Further tries of one source after a failure that may pass, which is no connection, a broken one, or the status
        408, 425, 429, 500, 502, 503 or 504.
      - The count starts again when a try brought half a megabyte or more. Other failures are never retried.
    type: int
    default: 3
  retry_delay:
    description:
      - Seconds before the first further try. Every next pause is twice as long.
      - C(Retry-After) of the server is honoured up to 300 seconds.
    type: float
    default: 2
  lock_timeout:
    description:
      - Seconds to wait for another sync in the same store.
      - While that one gets further, an hour of downloading for example, it is waited for without a limit.
    type: float
    default: 300
  reconnect_timeout:
    description:
      - Seconds in which the controller tries to reach the host again when the connection was lost during a download.
      - After that the host counts as unreachable. The download goes on there by itself, the next run waits for it or
        finds what it fetched.
    type: float
    default: 300
  progress:
    description:
      - How the controller shows what moves. With V(auto), all hosts on one line in place on a terminal, and lines in a
        log, which are the first reading, every tenth of the way, one in half a minute, and the last.
      - With V(auto), nothing is shown where the standard output is for programs, as with the callback
        C(ansible.posix.json). With V(lines), lines go to the standard error output there.
      - Nothing is shown of a task with C(no_log).
      - The environment variable E(DRYDOCK_PROGRESS) on the controller wins over this option.
    type: str
    choices: [auto, lines, "off"]
    default: auto
  ca_path:
    description: PEM file on the host with the authorities to trust instead of the system's.
    type: path
  headers:
    description:
      - Headers by origin (scheme, host and maybe port), for example a token for V(https://models.example.org).
      - They are sent to exactly that origin, and never to where a redirect leads.
    type: dict
    default: {}
"""
