package rooms

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxMessage is the maximum size of a message on the control socket, in bytes. A request has at most one file name.
const maxMessage = 64 << 10

// control is one end of the socket pair between the two processes. It is SOCK_SEQPACKET, which keeps message
// boundaries.
type control struct{ fd int }

// sockets returns a new pair, close-on-exec.
func sockets() (ours control, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return control{}, nil, fmt.Errorf("a socket between the two processes: %w", err)
	}
	return control{pair[0]}, os.NewFile(uintptr(pair[1]), "control"), nil
}

func (c control) close() { _ = unix.Close(c.fd) }

// send sends v as JSON. If f is not nil, it sends the descriptor with it (SCM_RIGHTS).
func (c control) send(v any, f *os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("a message of %d bytes between the two processes", len(b))
	}
	var rights []byte
	if f != nil {
		rights = unix.UnixRights(int(f.Fd()))
	}
	for {
		// MSG_NOSIGNAL: if the peer has exited, the call fails with EPIPE and there is no SIGPIPE.
		err := unix.Sendmsg(c.fd, b, rights, nil, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// receive waits for a message and decodes it into v. The caller owns the descriptor that came with it; fd
// is -1 if there is none. It returns io.EOF if the peer has closed the socket.
func (c control) receive(v any) (fd int, err error) {
	b := make([]byte, maxMessage)
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	for {
		n, oobn, _, _, err = unix.Recvmsg(c.fd, b, oob, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
		return -1, io.EOF
	case err != nil:
		return -1, err
	}
	fd = -1
	if oobn > 0 {
		if fd, err = descriptor(oob[:oobn]); err != nil {
			return -1, err
		}
	}
	return fd, json.Unmarshal(b[:n], v)
}

func descriptor(oob []byte) (int, error) {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(list) != 1 {
		return -1, fmt.Errorf("a descriptor between the two processes: %w", errors.Join(err, unix.EBADMSG))
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("a descriptor between the two processes: %w", errors.Join(err, unix.EBADMSG))
	}
	return fds[0], nil
}
