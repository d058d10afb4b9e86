"""Cuts the power under a service that is being written to, and looks for what is missing.

    sudo python3 tests/power/run.py --assay target/debug/assay --submissions submissions.jsonl

The register stands on an ext4 file system of its own, in a file behind a loop device. The cut is
ext4's shutdown ioctl: from then on nothing more reaches the file, not even what the kernel had
still in memory, and mounting it again replays the file system's journal, as after a cut. At the
end the same file system is filled to its last block. Receipts are kept outside of it.

Says why, and ends with 0, where this cannot be done: it needs root, loop devices and ext4.
"""

import argparse
import fcntl
import http.client
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

from client import Client, ask

EXT4_IOC_SHUTDOWN = 0x8004587D
# How the file system goes down: with its journal written (as when only the machine hangs), or
# without (as when power fails), and what share of the loops each has.
GOING = {"journal lost": 2, "journal written": 1}
# The file is sparse. A cut costs what was written, and no segment of the journal (16 MiB).
MEBIBYTES = 192
SUBMITTERS = 4
PATIENCE = 30  # seconds


class Impossible(Exception):
    """This machine cannot do it."""


class FileSystem:
    """An ext4 file system in a file; unmounted and gone in the end, whatever happens."""

    def __init__(self, folder):
        self.image = folder / "disk.img"
        self.mount_point = folder / "mount"
        self._is_mounted = False

    def __enter__(self):
        if os.geteuid() != 0:
            raise Impossible("it needs root, to mount a file system")
        for tool in ["mkfs.ext4", "mount", "umount"]:
            if shutil.which(tool) is None:
                raise Impossible(f"`{tool}` is missing")
        self.mount_point.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(MEBIBYTES << 20)
        run("mkfs.ext4", "-q", "-F", self.image)
        try:
            self.mount()
            self.cut("journal lost")
        except (subprocess.CalledProcessError, OSError) as error:
            self.__exit__()
            raise Impossible(f"ext4 on a loop device does not work here: {error}") from error
        self.remount()
        return self

    def __exit__(self, *_):
        if self._is_mounted:
            subprocess.run(["umount", "--lazy", self.mount_point], check=False)
            self._is_mounted = False

    def mount(self):
        # The device is given back by the kernel when it is unmounted.
        run("mount", "-o", "loop", self.image, self.mount_point)
        self._is_mounted = True

    def remount(self):
        run("umount", self.mount_point)
        self._is_mounted = False
        self.mount()

    def cut(self, how):
        """Cuts the power."""
        handle = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", GOING[how]))
        finally:
            os.close(handle)


class Service:
    """The service over a folder."""

    def __init__(self, assay, folder, log):
        self._log = log
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        said = log.with_suffix(".out")
        with open(log, "ab") as errors, open(said, "wb") as out:
            self._process = subprocess.Popen(
                [assay, "serve", "--listen", "127.0.0.1:0"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
            )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = re.search(r"listening on (http://\S+)", said.read_text())
            if found:
                self.url = found[1]
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"the service did not start: {self.last_words()}")

    def kill(self):
        self._process.kill()
        self._process.wait(PATIENCE)

    def is_ending(self):
        """Whether it says that it will end, or does not answer any more."""
        try:
            status, why = ask(self.url, "GET", "/readyz")
        except (OSError, http.client.HTTPException):
            return True
        return status == 503 and "takes nothing more" in why

    def ends(self):
        """Waits until it ends by itself; gives its exit status."""
        return self._process.wait(PATIENCE)

    def last_words(self):
        return "\n".join(self._log.read_text().splitlines()[-5:])


class Table:
    """What came of it."""

    def __init__(self, client):
        self._client = client
        self._rows = []
        self._lost = set()
        self._before = 0

    def row(self, name, loops, lost):
        acknowledged = len(self._client.receipts) - self._before
        self._before = len(self._client.receipts)
        self._lost.update(lost)
        self._rows.append((name, loops, acknowledged, len(lost), len(self._client.wrong)))

    def draw(self):
        print(f"{'fault':<28}{'loops':>7}{'acknowledged':>14}{'lost':>6}{'wrong':>7}")
        for name, *numbers in self._rows:
            print("{:<28}{:>7}{:>14}{:>6}{:>7}".format(name, *numbers))

    def is_good(self):
        return not self._lost and not self._client.wrong


def cut_power(how, loops, disk, client, table, start):
    """Cuts the power `loops` times while entries are written."""
    dice = random.Random(how)
    lost = set()
    for _ in range(loops):
        service = start()
        threads = [
            threading.Thread(target=client.submit_until_refused, args=[service.url])
            for _ in range(SUBMITTERS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.05, 0.4))
        disk.cut(how)
        service.kill()
        for thread in threads:
            thread.join(PATIENCE * 2)
        disk.remount()
        service = start()
        try:
            lost.update(client.check(service.url))
            is_taken, said = client.submit(service.url)
            assert is_taken, f"nothing is taken after a power cut: {said}"
        finally:
            service.kill()
    table.row(f"power cut, {how}", loops, lost)


def fill(disk, client, table, start):
    """Fills the file system while entries are written, and makes room again."""
    service = start()
    try:
        ballast = disk.mount_point / "ballast"
        with open(ballast, "wb") as file:
            size, step = 0, MEBIBYTES << 20
            while step >= 1024:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError:
                    step //= 2
        said = client.submit_until_refused(service.url)
        words = service.last_words()
        assert re.match(r"5\d\d", said), f"not an error: {said}"
        # A request that failed names its error; a service that ends, why it does.
        why = re.search("ERROR .* (?:error|why)=(.*(No space left|no room).*)", words)
        assert why, f"it does not say why: {words}"
        print(f"when there was no room: {why[1]}")
        lost = set(client.check(service.url, may_refuse=True))
        is_ending = service.is_ending()
        ballast.unlink()
        if is_ending:
            # It did not know what the disk has, said so, and leaves the rest to its next start.
            assert service.ends() == 2, f"not an error: {service.last_words()}"
            goes_on = "it went on after a restart"
        else:
            is_taken, said = client.submit(service.url)
            assert is_taken, f"nothing is taken when there is room: {said}"
            goes_on = "the same service went on"
        service.kill()
        service = start()
        lost.update(client.check(service.url))
        is_taken, said = client.submit(service.url)
        assert is_taken, f"nothing is taken when there is room: {said}"
        lost.update(client.check(service.url))
    finally:
        service.kill()
    table.row("disk full", 1, lost)
    return goes_on


def run(*words):
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=PATIENCE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assay", required=True, type=pathlib.Path, help="the command")
    parser.add_argument("--submissions", required=True, type=pathlib.Path, help="what to submit")
    parser.add_argument("--loops", type=int, default=24, help="power cuts (default: %(default)s)")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="assay-power-") as folder:
        folder = pathlib.Path(folder)
        client = Client(arguments.submissions.read_text().splitlines())
        table = Table(client)
        log = folder / "service.log"
        try:
            with FileSystem(folder) as disk:
                start = lambda: Service(arguments.assay.resolve(), disk.mount_point, log)
                written = arguments.loops // 4
                cut_power("journal lost", arguments.loops - written, disk, client, table, start)
                cut_power("journal written", written, disk, client, table, start)
                goes_on = fill(disk, client, table, start)
        except Impossible as reason:
            print(f"SKIPPED: no power was cut: {reason}", file=sys.stderr)
            return 0
    table.draw()
    print(f"when there was room again, {goes_on}")
    for wrong in client.wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
    return 0 if table.is_good() else 1


if __name__ == "__main__":
    sys.exit(main())
