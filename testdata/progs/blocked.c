/* trace: socketpair,setsockopt,recvfrom,recv; bits: 64,32 */
#include "show.h"
#include <pthread.h>
#include <signal.h>

static int pair[2];
static pthread_t receiver;

static void handler(int sig)
{
	(void)sig;
}

/*
 * Ends the waiting. The data is written by a call that is not traced, because lines of two threads
 * at the same time have no order.
 */
static void *waker(void *arg)
{
	if (arg) {
		usleep(200000);
		pthread_kill(receiver, SIGUSR1);
		return NULL;
	}
	usleep(1500000);
	if (write(pair[0], "late", 4) != 4)
		abort();
	return NULL;
}

static pthread_t start(void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, waker, arg))
		abort();
	return thread;
}

/*
 * A call that waits for 1.5 s; one that a signal ends; one that a signal interrupts and the kernel
 * restarts.
 */
int main(void)
{
	struct sigaction act = {.sa_handler = handler};
	pthread_t a, b;
	char got[8];
	long r;

	receiver = pthread_self();
	r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	saw(r, "socketpair(AF_UNIX, SOCK_STREAM, 0, [%d, %d])", pair[0], pair[1]);
	a = start(NULL);
	r = recv(pair[1], got, sizeof(got), 0);
	pthread_join(a, NULL);
	RECEIVED(r, pair[1], "\"late\"", sizeof(got), "0");

#ifdef __i386__
	char *call = str("recv(%d, %p, 8, 0)", pair[1], got);
#else
	char *call = str("recvfrom(%d, %p, 8, 0, NULL, NULL)", pair[1], got);
#endif
	sigaction(SIGUSR1, &act, NULL);
	a = start("signal");
	r = recv(pair[1], got, sizeof(got), 0);
	pthread_join(a, NULL);
	say("%s = ? ERESTARTSYS (To be restarted if SA_RESTART is set)", call);

	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	a = start("signal");
	b = start(NULL);
	r = recv(pair[1], got, sizeof(got), 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	say("%s = ? ERESTARTSYS (To be restarted if SA_RESTART is set)", call);
	RECEIVED(r, pair[1], "\"late\"", sizeof(got), "0");
	return done();
}
