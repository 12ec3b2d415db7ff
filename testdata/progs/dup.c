/* trace: socket,dup,dup2,dup3,fcntl,fcntl64,close; bits: 64,32 */
#include "show.h"
#include <fcntl.h>

/* The name of the call that libc makes. */
#ifdef __i386__
#define FCNTL "fcntl64"
#else
#define FCNTL "fcntl"
#endif

/* One socket with several descriptors, and its flags. */
int main(void)
{
	long r;

	int s = socket(AF_INET, SOCK_STREAM, 0);
	saw(s, "socket(AF_INET, SOCK_STREAM, IPPROTO_IP)");
	int a = dup(s);
	saw(a, "dup(%d)", s);
	r = dup2(s, 20);
	saw(r, "dup2(%d, 20)", s);
	r = dup3(s, 21, O_CLOEXEC);
	saw(r, "dup3(%d, 21, O_CLOEXEC)", s);
	r = dup3(s, s, 0);
	saw(r, "dup3(%d, %d, 0)", s, s);
	r = fcntl(s, F_DUPFD, 30);
	saw(r, FCNTL "(%d, F_DUPFD, 30)", s);
	r = fcntl(s, F_DUPFD_CLOEXEC, 31);
	saw(r, FCNTL "(%d, F_DUPFD_CLOEXEC, 31)", s);
	r = fcntl(s, F_GETFD);
	saw(r, FCNTL "(%d, F_GETFD)", s);
	r = fcntl(s, F_SETFD, FD_CLOEXEC);
	saw(r, FCNTL "(%d, F_SETFD, FD_CLOEXEC)", s);
	r = fcntl(s, F_GETFD);
	say(FCNTL "(%d, F_GETFD) = 0x1 (flags FD_CLOEXEC)", s);
	r = fcntl(s, F_GETFL);
	say(FCNTL "(%d, F_GETFL) = 0x2 (flags O_RDWR)", s);
	r = fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK);
	saw(r, FCNTL "(%d, F_SETFL, O_RDWR|O_NONBLOCK)", s);
	/* The copy shares the file status flags. */
	r = fcntl(a, F_GETFL);
	say(FCNTL "(%d, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)", a);
	r = fcntl(s, F_SETOWN, getpid());
	saw(r, FCNTL "(%d, F_SETOWN, %d)", s, getpid());
	r = close(s);
	saw(r, "close(%d)", s);
	r = close(20);
	saw(r, "close(20)");
	return done();
}
