# Two exchanges of HTTP, a message of syslog and a query of DNS, on IPv4 and on IPv6.
import socket
import threading
import time


def serve(family, address):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, 17080))
    s.listen()
    c, _ = s.accept()
    for status in (b"200 OK", b"404 Not Found"):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += c.recv(999)
        c.send(b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: 301\r\n\r\n" % status + b"x" * 301)
    c.close()


ends = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
for end in ends:
    threading.Thread(target=serve, args=end, daemon=True).start()
time.sleep(0.3)
for family, address in ends:
    c = socket.socket(family)
    c.connect((address, 17080))
    for path in (b"/one", b"/two?token=abc"):
        c.send(b"GET " + path + b" HTTP/1.1\r\n")
        time.sleep(0.05)
        c.send(b"Host: example.com\r\n\r\n")
        n = 0
        while n < 301:
            n += len(c.recv(4096))
    c.close()
    u = socket.socket(family, socket.SOCK_DGRAM)
    u.sendto(b"<30>Nov 30 19:49:05 prog[77]: an odd number of bytes!", (address, 17081))
    u.sendto(b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0\1", (address, 17082))
    time.sleep(0.1)
