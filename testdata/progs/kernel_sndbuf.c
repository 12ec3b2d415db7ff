/* trace: shutdown; bits: 64 */
#include "show.h"
#include <pthread.h>

static int pair[2];
static volatile int sending;
static volatile pid_t reading;

/* Returns when the thread has slept for a moment, whatever the speed of the machine; after 10 s at the latest. */
static void asleep(pid_t tid)
{
	char *path = str("/proc/self/task/%d/stat", tid);

	for (int n = 0, seen = 0; n < 2000 && seen < 3; n++) {
		char line[256] = "";
		FILE *f = fopen(path, "r");

		usleep(5000);
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f) && strstr(line, ") S "))
			seen++;
		else
			seen = 0;
		fclose(f);
	}
}

static void *reader(void *arg)
{
	static char got[1 << 16];

	while (!sending)
		usleep(1000);
	asleep(getpid());
	reading = gettid();
	while (recv(pair[1], got, sizeof(got), 0) > 0)
		;
	return arg;
}

/*
 * One process sends until the buffer is full, and waits for the reader; the reader waits for the
 * end.
 */
int main(void)
{
	static char data[1 << 16];
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	pthread_t thread;
	int size = 8192;
	long r;

	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	setsockopt(l, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	must(bind(l, (void *)&sa, sizeof(sa)), "bind");
	must(getsockname(l, (void *)&sa, &len), "getsockname");
	must(listen(l, 1), "listen");
	pair[0] = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	must(connect(pair[0], (void *)&sa, sizeof(sa)), "connect");
	say("#krn tcp SYN_SENT -> ESTABLISHED # SYN-ACK received; cwnd");
	pair[1] = must(accept(l, NULL, NULL), "accept");
	while (send(pair[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	if (errno != EAGAIN)
		return 1;
	say("#krn sock:send = -1 EAGAIN");
	if (pthread_create(&thread, NULL, reader, NULL))
		return 1;
	sending = 1;
	must(send(pair[0], data, sizeof(data), 0), "send");
	say("#krn sock:sndbuf-wait queued= sndbuf= <");
	say("#krn skb:copy length=");
	asleep(reading); /* it waits for more */
	r = shutdown(pair[0], SHUT_WR);
	saw(r, "shutdown(%d, SHUT_WR)", pair[0]);
	say("#krn tcp ESTABLISHED -> FIN_WAIT1 # closed here");
	say("#krn tcp ESTABLISHED -> CLOSE_WAIT # FIN received");
	say("#krn sock:ready unread=0");
	say("#krn sock:rcvbuf-wait rcvbuf= <");
	pthread_join(thread, NULL);
	return done();
}
