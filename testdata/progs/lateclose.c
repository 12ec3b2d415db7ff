/* trace: getpeername */
/*
 * A client closes at once, its server 150 ms later: the packets after that (the FIN, and the
 * client's ACK) reach no socket. Then a closed port, for TCP and UDP.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in at;

static int listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);

	at.sin_family = AF_INET;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (void *)&at, sizeof(at)) || listen(fd, 1) || getsockname(fd, (void *)&at, &len))
		return -1;
	return fd;
}

int main(void)
{
	int l = listener(), fd;
	char buf[8];
	pid_t child;

	if (l < 0)
		return 1;
	child = fork();
	if (!child) {
		fd = accept(l, 0, 0);
		if (fd < 0 || read(fd, buf, sizeof(buf)) != 3)
			_exit(1);
		poll(0, 0, 150);
		close(fd);
		_exit(0);
	}
	close(l);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (void *)&at, sizeof(at)) || write(fd, "bye", 3) != 3)
		return 1;
	close(fd);
	waitpid(child, 0, 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!connect(fd, (void *)&at, sizeof(at)))
		return 1;
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (connect(fd, (void *)&at, sizeof(at)) || send(fd, "lost", 4, 0) != 4)
		return 1;
	poll(0, 0, 50);
	return 0;
}
