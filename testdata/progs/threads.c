/* trace: socketpair,sendto,recvfrom,send,recv,shutdown; bits: 64,32 */
#include "show.h"
#include <pthread.h>

static int pair[2];

/* Each thread waits for the previous one, so that the order is known. */
static void *relay(void *arg)
{
	char got[8], *name = arg;
	long r;

	r = recv(pair[1], got, sizeof(got), 0);
	RECEIVED(r, pair[1], "\"go\"", sizeof(got), "0");
	r = send(pair[1], name, strlen(name), 0);
	SENT(r, pair[1], buf(name, strlen(name)), strlen(name), "0");
	return NULL;
}

/* Three threads of one process on one socket, one after the other. */
int main(void)
{
	static char *names[] = {"one", "two", "three"};
	pthread_t thread;
	char got[8];
	long r;

	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	for (int i = 0; i < 3; i++) {
		r = send(pair[0], "go", 2, 0);
		SENT(r, pair[0], "\"go\"", 2, "0");
		if (pthread_create(&thread, NULL, relay, names[i]))
			return 1;
		pthread_join(thread, NULL);
		r = recv(pair[0], got, sizeof(got), 0);
		RECEIVED(r, pair[0], buf(got, r), sizeof(got), "0");
	}
	return done();
}
