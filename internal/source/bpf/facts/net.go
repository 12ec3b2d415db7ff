//go:build linux

package facts

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// net has open tables of a network namespace. They can be read when the process is gone that they were opened for.
type net struct {
	tcp       [2]*os.File // IPv4, IPv6
	conntrack *os.File    // nil: the kernel does not track connections there
	buf       []byte
}

func openNet(f proc.FS, pid uint32) *net {
	n := &net{}
	n.tcp[0], _ = os.Open(f.Path(pid, "net/tcp"))
	n.tcp[1], _ = os.Open(f.Path(pid, "net/tcp6"))
	n.conntrack, _ = os.Open(f.Path(pid, "net/stat/nf_conntrack"))
	return n
}

func (n *net) close() error {
	var err error
	for _, f := range []*os.File{n.tcp[0], n.tcp[1], n.conntrack} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// maxTable bounds what is read of a table. Listeners are at its begin.
const maxTable = 64 << 10

// begin reads the begin of a table.
func (n *net) begin(f *os.File) []byte {
	if f == nil {
		return nil
	}
	if n.buf == nil {
		n.buf = make([]byte, maxTable)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil
	}
	all := 0
	for all < len(n.buf) {
		got, err := f.Read(n.buf[all:])
		all += got
		if err != nil || got == 0 {
			break
		}
	}
	return n.buf[:all]
}

// listeners lists the listeners of a port, each with the number of connections that wait to be accepted.
func (n *net) listeners(port uint16) string {
	const listen = 10
	var list []string
	for _, f := range n.tcp {
		for line := range bytes.Lines(n.begin(f)) {
			addr, local, state, queue, ok := proc.ParseTCP(string(line))
			if !ok {
				continue
			}
			if state != listen || len(list) >= 16 {
				break
			}
			if local == port {
				list = append(list, fmt.Sprintf("%s waiting=%d", netip.AddrPortFrom(addr, local), queue))
			}
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}

// tracked returns the number of connections that the kernel tracks.
func (n *net) tracked() (uint64, bool) {
	_, rest, ok := bytes.Cut(n.begin(n.conntrack), []byte("\n"))
	if !ok {
		return 0, false
	}
	first, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	count, err := strconv.ParseUint(string(first), 16, 64)
	return count, err == nil
}
