/* trace: socket,bind,getsockname,connect,listen,close; bits: 64,32; needs: AF_VSOCK */
#include "show.h"
#include <linux/vm_sockets.h>

/* Addresses of virtual machines. */
int main(void)
{
	struct sockaddr_vm sa = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = 4321};
	long r;

	int s = socket(AF_VSOCK, SOCK_STREAM, 0);
	if (s < 0)
		skip("no vsock");
	saw(s, "socket(AF_VSOCK, SOCK_STREAM, 0)");
	r = bind(s, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=AF_VSOCK, svm_cid=VMADDR_CID_ANY, svm_port=0x10e1, svm_flags=0}, 16)", s);
	r = listen(s, 1);
	saw(r, "listen(%d, 1)", s);
	sa.svm_cid = VMADDR_CID_HOST;
	sa.svm_flags = VMADDR_FLAG_TO_HOST;
	r = bind(s, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=AF_VSOCK, svm_cid=VMADDR_CID_HOST, svm_port=0x10e1, svm_flags=VMADDR_FLAG_TO_HOST}, 16)", s);
	sa.svm_cid = 77;
	sa.svm_flags = 0;
	r = bind(s, (void *)&sa, sizeof(sa));
	saw(r, "bind(%d, {sa_family=AF_VSOCK, svm_cid=0x4d, svm_port=0x10e1, svm_flags=0}, 16)", s);
	int c = socket(AF_VSOCK, SOCK_DGRAM, 0);
	saw(c, "socket(AF_VSOCK, SOCK_DGRAM, 0)");
	return done();
}
