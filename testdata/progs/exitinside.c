/* trace: socketpair,recvfrom,recv; bits: 64,32 */
#include "show.h"
#include <pthread.h>

static int pair[2];

static void *waits(void *arg)
{
	char got[8];

	recv(pair[1], got, sizeof(got), 0);
	return arg;
}

/* The process exits while one of its threads waits in a call. */
int main(void)
{
	pthread_t thread;
	long r;

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	if (pthread_create(&thread, NULL, waits, NULL))
		return 1;
	usleep(300000);
#ifdef __i386__
	say("recv(%d,  <unfinished ...>) = ?", pair[1]);
#else
	say("recvfrom(%d,  <unfinished ...>) = ?", pair[1]);
#endif
	return done();
}
