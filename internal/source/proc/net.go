package proc

import (
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/wire"
)

// inetTables are the socket tables in /proc/PID/net, with the family, type and protocol of their sockets.
var inetTables = []struct {
	file                  string
	family, typ, protocol uint16
}{
	{"tcp", 2, 1, 6}, {"tcp6", 10, 1, 6},
	{"udp", 2, 2, 17}, {"udp6", 10, 2, 17},
	{"raw", 2, 3, 0}, {"raw6", 10, 3, 0},
}

// Inet returns the IP sockets of a process's network namespace by inode
// (Documentation/networking/proc_net_tcp.rst).
func (f FS) Inet(pid uint32) (map[uint64]wire.Sock, error) {
	return f.inet(f.path(pid, "net"))
}

func (f FS) inet(dir string) (map[uint64]wire.Sock, error) {
	socks := map[uint64]wire.Sock{}
	var first error
	for _, t := range inetTables {
		b, err := os.ReadFile(filepath.Join(dir, t.file))
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		for line := range strings.Lines(string(b)) {
			k, ok := parseInet(line)
			if ok {
				k.Family, k.Type, k.Protocol = t.family, t.typ, t.protocol
				if t.typ == 3 {
					// A raw socket has its protocol in place of the port.
					k.Protocol, k.Lport, k.Rport = k.Lport, 0, 0
				}
				socks[k.Ino] = k
			}
		}
	}
	if len(socks) == 0 {
		return nil, first
	}
	return socks, nil
}

// parseInet parses "0: 0100007F:1F90 00000000:0000 0A ... uid timeout inode ...".
func parseInet(line string) (k wire.Sock, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || !strings.HasSuffix(fields[0], ":") {
		return k, false
	}
	ino, err := strconv.ParseUint(fields[9], 10, 64)
	if err != nil || ino == 0 {
		return k, false
	}
	k.Ino = ino
	state, err := strconv.ParseUint(fields[3], 16, 8)
	if err != nil {
		return k, false
	}
	k.State = uint8(state)
	k.Lport, ok = parseEnd(fields[1], &k.Laddr)
	if !ok {
		return k, false
	}
	k.Rport, ok = parseEnd(fields[2], &k.Raddr)
	return k, ok
}

// ParseTCP parses a line of /proc/PID/net/tcp or tcp6: the local address and port, the state, and the receive queue, which
// for a listener is the number of connections that wait to be accepted (tcp4_seq_show in net/ipv4/tcp_ipv4.c).
func ParseTCP(line string) (addr netip.Addr, port uint16, state uint8, queue uint64, ok bool) {
	k, ok := parseInet(line)
	fields := strings.Fields(line)
	if !ok {
		return addr, 0, 0, 0, false
	}
	_, received, ok := strings.Cut(fields[4], ":")
	queue, err := strconv.ParseUint(received, 16, 64)
	host, _, _ := strings.Cut(fields[1], ":")
	addr = netip.AddrFrom16(k.Laddr)
	if len(host) == 8 {
		addr = netip.AddrFrom4([4]byte(k.Laddr[:4]))
	}
	return addr, k.Lport, k.State, queue, ok && err == nil
}

// parseEnd parses an address as the kernel prints it: 32-bit words in host
// order (little-endian here), then the port.
func parseEnd(s string, addr *[16]byte) (uint16, bool) {
	host, port, ok := strings.Cut(s, ":")
	p, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return 0, false
	}
	b, err := hex.DecodeString(host)
	if err != nil || (len(b) != 4 && len(b) != 16) {
		return 0, false
	}
	for w := 0; w < len(b); w += 4 {
		slices.Reverse(b[w : w+4])
	}
	copy(addr[:], b)
	return uint16(p), true
}

// PortInodes returns the inodes of the sockets with one of the local ports, in
// our own network namespace.
func (f FS) PortInodes(ports []uint16) (map[uint64]wire.Sock, error) {
	all, err := f.inet(filepath.Join(f.Root, "self/net"))
	if err != nil {
		return nil, err
	}
	for ino, k := range all {
		if !slices.Contains(ports, k.Lport) {
			delete(all, ino)
		}
	}
	return all, nil
}

// UnixPaths returns the names of the bound unix sockets of our own network
// namespace by inode; an abstract name begins with NUL.
func (f FS) UnixPaths() (map[uint64]string, error) {
	b, err := os.ReadFile(filepath.Join(f.Root, "self/net/unix"))
	if err != nil {
		return nil, err
	}
	paths := map[uint64]string{}
	for line := range strings.Lines(string(b)) {
		// Num RefCount Protocol Flags Type St Inode Path
		field, rest := "", strings.TrimSuffix(line, "\n")
		for range 7 {
			field, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
		}
		ino, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			continue
		}
		if strings.HasPrefix(rest, "@") {
			rest = "\x00" + rest[1:]
		}
		paths[ino] = rest
	}
	return paths, nil
}
