"""A name server for the container's check: it knows two names, both of this machine. Standard library only."""

import socket
import struct
import threading


class NameServer:
    """Answers A questions for `names` with 127.0.0.1, everything else with nothing. UDP, one thread, ends with the process."""

    def __init__(self, address: str, names: set[str]) -> None:
        self.names, self.asked = names, set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            question, client = self.socket.recvfrom(512)
            self.socket.sendto(self.answer(question), client)

    def answer(self, question: bytes) -> bytes:
        name, at = [], 12
        while question[at]:
            name.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack(">H", question[at + 1 : at + 3])[0]
        self.asked.add(".".join(name))
        is_known = ".".join(name) in self.names
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1]) if is_known and kind == 1 else b""
        flags = 0x8180 if is_known else 0x8183  # an answer; or no such name
        return question[:2] + struct.pack(">HHHHH", flags, 1, bool(record), 0, 0) + question[12 : at + 5] + record
