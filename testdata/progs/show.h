/*
 * Shared by the programs of this directory, which make calls, and store for each
 * the line that a tracer must show. The lines are in memory that forked children
 * and threads share. They are printed to stdout at the end, by a single write, so
 * that no write is between the calls.
 *
 * Functions that return strings never free their memory.
 */
#ifndef SHOW_H
#define SHOW_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Maximum length of shown strings: strace -s 32. */
#define SHOW_STRING 32

/* Exit code of a program that cannot run on this machine. */
#define SHOW_SKIP 77

#define SHOW_ROOM (1 << 20)

/* lo has this index in every network namespace. */
#define LO 1

static struct show_lines {
	size_t len;
	char text[SHOW_ROOM];
} *show_lines;

__attribute__((constructor)) static void show_start(void)
{
	show_lines = mmap(NULL, sizeof(*show_lines), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (show_lines == MAP_FAILED)
		abort();
}

__attribute__((unused, format(printf, 1, 2)))
static char *str(const char *fmt, ...)
{
	char *s;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

/* A result, as printed after the equals sign. */
__attribute__((unused)) static char *result(long ret)
{
	if (ret != -1)
		return str("%ld", ret);
	return str("-1 %s (%s)", strerrorname_np(errno), strerror(errno));
}

/* Adds a line without a result. */
__attribute__((unused, format(printf, 1, 2)))
static void say(const char *fmt, ...)
{
	va_list ap;
	size_t n = show_lines->len;

	va_start(ap, fmt);
	n += vsnprintf(show_lines->text + n, SHOW_ROOM - n, fmt, ap);
	va_end(ap);
	show_lines->text[n++] = '\n';
	show_lines->len = n;
}

/*
 * Adds the line of a call that returned ret, and returns ret. errno must still be that of the call,
 * so store its result in a variable first.
 */
__attribute__((unused, format(printf, 2, 3)))
static long saw(long ret, const char *fmt, ...)
{
	char *res = result(ret), *call;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&call, fmt, ap) < 0)
		abort();
	va_end(ap);
	say("%s = %s", call, res);
	return ret;
}

/* Prints the lines; main returns its value. */
__attribute__((unused)) static int done(void)
{
	size_t off = 0;

	while (off < show_lines->len) {
		ssize_t n = write(1, show_lines->text + off, show_lines->len - off);

		if (n < 0)
			return 1;
		off += n;
	}
	return 0;
}

/* For calls whose lines are not compared: exits if the call failed. */
__attribute__((unused)) static long must(long ret, const char *what)
{
	if (ret == -1) {
		perror(what);
		exit(1);
	}
	return ret;
}

/* Exits because the program cannot run here, with the reason. */
__attribute__((unused)) static void skip(const char *why)
{
	fprintf(stderr, "skipped: %s: %s\n", why, strerror(errno));
	exit(SHOW_SKIP);
}

/* Quoted bytes, as many as a tracer shows, without dots after them. */
__attribute__((unused)) static char *bytes(const void *p, size_t len, size_t max)
{
	const unsigned char *b = p;
	char *out = malloc(4 * len + 3), *o = out;

	*o++ = '"';
	for (size_t i = 0; i < len && i < max; i++) {
		int digit = i + 1 < len && i + 1 < max && b[i + 1] >= '0' && b[i + 1] <= '9';

		switch (b[i]) {
		case '\n': o = stpcpy(o, "\\n"); break;
		case '\t': o = stpcpy(o, "\\t"); break;
		case '\r': o = stpcpy(o, "\\r"); break;
		case '\v': o = stpcpy(o, "\\v"); break;
		case '\f': o = stpcpy(o, "\\f"); break;
		case '"': o = stpcpy(o, "\\\""); break;
		case '\\': o = stpcpy(o, "\\\\"); break;
		default:
			if (b[i] >= 0x20 && b[i] < 0x7f)
				*o++ = b[i];
			else
				/* Three digits only if a following digit would be read as one of them. */
				o += sprintf(o, digit ? "\\%03o" : "\\%o", b[i]);
		}
	}
	*o++ = '"';
	*o = 0;
	return out;
}

/* A buffer of a call. */
__attribute__((unused)) static char *buf(const void *p, size_t len)
{
	return str("%s%s", bytes(p, len, SHOW_STRING), len > SHOW_STRING ? "..." : "");
}

/* A socket address of the families that are used here. */
__attribute__((unused)) static char *addr(const void *p, size_t len)
{
	const struct sockaddr *sa = p;
	const struct sockaddr_in *in = p;
	const struct sockaddr_in6 *in6 = p;
	const struct sockaddr_un *un = p;
	const struct sockaddr_nl *nl = p;
	char text[INET6_ADDRSTRLEN];
	size_t path = len - offsetof(struct sockaddr_un, sun_path);

	switch (sa->sa_family) {
	case AF_INET:
		return str("{sa_family=AF_INET, sin_port=htons(%u), sin_addr=inet_addr(\"%s\")}",
			   ntohs(in->sin_port), inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)));
	case AF_INET6:
		return str("{sa_family=AF_INET6, sin6_port=htons(%u), sin6_flowinfo=htonl(%u), "
			   "inet_pton(AF_INET6, \"%s\", &sin6_addr), sin6_scope_id=%u}",
			   ntohs(in6->sin6_port), ntohl(in6->sin6_flowinfo),
			   inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)),
			   in6->sin6_scope_id);
	case AF_UNIX:
		if (len <= sizeof(sa_family_t))
			return str("{sa_family=AF_UNIX}");
		if (un->sun_path[0] == 0)
			return str("{sa_family=AF_UNIX, sun_path=@%s}",
				   bytes(un->sun_path + 1, path - 1, path));
		return str("{sa_family=AF_UNIX, sun_path=%s}",
			   bytes(un->sun_path, strnlen(un->sun_path, path), path));
	case AF_NETLINK:
		return str("{sa_family=AF_NETLINK, nl_pid=%u, nl_groups=%08x}",
			   nl->nl_pid, nl->nl_groups);
	}
	abort();
}

/* A length before and after the call: [16], [110 => 2]. */
__attribute__((unused)) static char *vlen(unsigned before, unsigned after)
{
	return before == after ? str("[%u]", before) : str("[%u => %u]", before, after);
}

__attribute__((unused)) static struct sockaddr_in loopback(unsigned short port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

__attribute__((unused)) static struct sockaddr_in6 loopback6(unsigned short port)
{
	return (struct sockaddr_in6){
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
}

/*
 * send and recv: on 64-bit machines libc calls sendto and recvfrom, on i386 the calls of these
 * names in socketcall.
 */
#ifdef __i386__
#define SENT(ret, fd, data, len, flags) \
	saw(ret, "send(%d, %s, %zu, %s)", fd, data, (size_t)(len), flags)
#define RECEIVED(ret, fd, data, len, flags) \
	saw(ret, "recv(%d, %s, %zu, %s)", fd, data, (size_t)(len), flags)
#else
#define SENT(ret, fd, data, len, flags) \
	saw(ret, "sendto(%d, %s, %zu, %s, NULL, 0)", fd, data, (size_t)(len), flags)
#define RECEIVED(ret, fd, data, len, flags) \
	saw(ret, "recvfrom(%d, %s, %zu, %s, NULL, NULL)", fd, data, (size_t)(len), flags)
#endif

/* A page that cannot be read or written. */
__attribute__((unused)) static char *hole(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	munmap(p, 4096);
	return p;
}

/* len bytes that end at a page that cannot be read. */
__attribute__((unused)) static void *edge(const void *data, size_t len)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	munmap(p + 4096, 4096);
	return memcpy(p + 4096 - len, data, len);
}

#endif
