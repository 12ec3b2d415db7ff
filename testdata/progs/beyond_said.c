/* trace: socketpair; bits: 64,32 */
/*
 * HTTP between two processes, each call in another way: an iovec for each word, a body that is larger than what
 * is copied, a request after it, an answer byte by byte. Then DNS by sendmmsg. go test ./test/live -run TestMessages.
 */
#define _GNU_SOURCE
#include "show.h"
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define BODY 100000

static void read_all(int fd, long n)
{
	char buf[5000];

	while (n > 0) {
		long got = recv(fd, buf, n < (long)sizeof(buf) ? (unsigned long)n : sizeof(buf), 0);

		if (got <= 0)
			exit(1);
		n -= got;
	}
}

static void send_text(int fd, const char *s)
{
	must(send(fd, s, strlen(s), MSG_NOSIGNAL), "send");
}

static char request[400];
static char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-pidwire-test; with=a-long-header\r\nContent-Length: 100000\r\n\r\n";
static const char last[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno";

static void serve(int fd)
{
	static char body[BODY];
	struct iovec iov[2] = { { answer, sizeof(answer) - 1 }, { body, sizeof(body) } };
	long sent;

	read_all(fd, strlen(request));
	sent = must(writev(fd, iov, 2), "writev");
	for (sent -= sizeof(answer) - 1; sent < BODY;)
		sent += must(write(fd, body + sent, BODY - sent), "write");
	read_all(fd, strlen("GET /again HTTP/1.1\r\nHost: pidwire.test\r\nX-Padding: 0123456789\r\n\r\n"));
	for (const char *p = last; *p; p++)
		must(write(fd, p, 1), "write");
	close(fd);
}

static void ask_names(void)
{
	static unsigned char a[] = "\x12\x34\x01\x20\0\x01\0\0\0\0\0\0\x03www\x07pidwire\x04test\0\0\x01\0\x01";
	static unsigned char b[] = "\x12\x35\x01\x20\0\x01\0\0\0\0\0\0\x03www\x07pidwire\x04test\0\0\x1c\0\x01";
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int r = must(socket(AF_INET, SOCK_DGRAM, 0), "socket"), s = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	struct iovec iov[2] = { { a, sizeof(a) - 1 }, { b, sizeof(b) - 1 } };
	struct mmsghdr msgs[2] = {};
	unsigned char in[200];

	must(bind(r, (void *)&sa, sizeof(sa)), "bind");
	must(getsockname(r, (void *)&sa, &len), "getsockname");
	for (int i = 0; i < 2; i++) {
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_name = &sa;
		msgs[i].msg_hdr.msg_namelen = sizeof(sa);
	}
	must(sendmmsg(s, msgs, 2, 0), "sendmmsg");
	for (int i = 0; i < 2; i++) {
		struct sockaddr_in from;
		long n;

		len = sizeof(from);
		n = must(recvfrom(r, in, sizeof(in), 0, (void *)&from, &len), "recvfrom");
		in[2] = 0x81;
		in[3] = 0x83; /* NXDOMAIN */
		must(sendto(r, in, n, 0, (void *)&from, len), "sendto");
		len = sizeof(from);
		must(recvfrom(s, in, sizeof(in), 0, (void *)&from, &len), "recvfrom");
	}
}

int main(void)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), fd, one = 1;
	struct iovec iov[3];

	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(listen(l, 1), "listen");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	strcpy(request, "GET /a/path/that/is/longer/than/what/is/shown?of=a&string=by&default=x HTTP/1.1\r\nHost: pidwire.test:8080\r\nUser-Agent: said\r\n\r\n");
	if (!fork()) {
		fd = must(accept(l, 0, 0), "accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve(fd);
		exit(0);
	}
	fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(fd, (void *)&sa, sizeof(sa)), "connect");
	iov[0].iov_base = request;
	iov[0].iov_len = 10;
	iov[1].iov_base = request + 10;
	iov[1].iov_len = 90;
	iov[2].iov_base = request + 100;
	iov[2].iov_len = strlen(request) - 100;
	must(writev(fd, iov, 3), "writev");
	read_all(fd, sizeof(answer) - 1 + BODY);
	send_text(fd, "GET /again HTTP/1.1\r\nHost: pidwire.test\r\nX-Padding: 0123456789\r\n\r\n");
	read_all(fd, strlen(last));
	close(fd);
	wait(0);
	ask_names();
	return 0;
}
