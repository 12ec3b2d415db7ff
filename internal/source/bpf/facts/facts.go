//go:build linux

// Package facts reads what cannot be seen in calls and packets: facts of the machine as a watched process sees them, in
// its namespaces. Each is a record, so that a recording has them. docs/facts.md lists them.
package facts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/source/intime"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// Emit takes a record, which is valid during the call.
type Emit = func(wire.Record) error

// Options configures a Teller.
type Options struct {
	Proc    proc.FS
	Holders func(port uint16) (map[uint32]bool, error) // pids of the processes with a socket on a local port
	Self    uint32                                     // our own pid on the host
	Now     func() uint64                              // CLOCK_MONOTONIC, ns
}

// Teller emits facts, each when it is new, and at most so many a second. It is for one goroutine.
type Teller struct {
	o      Options
	said   map[key]string
	nets   map[uint32]*net // by inode
	since  uint64          // begin of the current second
	n      int             // facts in it
	closed bool            // files of processes are not read any more: one of them was not read in time
	buf    []byte
}

// key identifies a fact: of a process, or of a namespace.
type key struct {
	of   uint64
	name string
}

const (
	// most is how many facts are read in a second. A host with many failures does not need all of them.
	most = 50
	// maxSaid bounds the memory of what has been emitted. When it is full it is cleared.
	maxSaid = 4096
	// maxNets bounds the network namespaces with open tables.
	maxNets = 16
	// within is how long a file of a process is waited for: it may be of a file system that does not answer.
	within = 30 * time.Millisecond
	// maxText bounds the text of a fact, in bytes.
	maxText = 2048
)

// New returns a Teller that has not emitted any facts.
func New(o Options) *Teller {
	return &Teller{o: o, said: map[key]string{}, nets: map[uint32]*net{}}
}

// Close closes its files.
func (t *Teller) Close() error {
	var err error
	for _, n := range t.nets {
		err = errors.Join(err, n.close())
	}
	t.nets = map[uint32]*net{}
	return err
}

// Process is a process that facts are about.
type Process struct {
	PID   uint32
	Start uint64 // ns since boot
	NetNS uint32 // inode of its network namespace
}

// allowed counts what is read, and reports whether it is not too much.
func (t *Teller) allowed() bool {
	now := t.o.Now()
	if now-t.since > uint64(time.Second) {
		t.since, t.n = now, 0
	}
	t.n++
	return t.n <= most
}

// tell emits a fact, unless it was the last one of that name and text that was emitted about something.
func (t *Teller) tell(p Process, of uint64, name, text string, emit Emit) error {
	text = strings.ToValidUTF8(text[:min(len(text), maxText)], "?")
	k := key{of, name}
	if old, ok := t.said[k]; ok && old == text {
		return nil
	}
	if len(t.said) >= maxSaid {
		clear(t.said)
	}
	t.said[k] = text
	attrs := wire.AppendAttr(nil, wire.TagName, name)
	attrs = wire.AppendAttr(attrs, wire.TagText, text)
	f := wire.Fact{H: wire.Hdr{Kind: wire.KindFact, Layer: wire.LayerSys, Time: t.o.Now()}, Start: p.Start, Pid: p.PID, Attrs: uint16(len(attrs))}
	t.buf = wire.Seal(append(f.Append(t.buf[:0]), attrs...))
	return emit(wire.Record(t.buf))
}

// Env emits what the environment of a process says about proxies, from a KindEnv record, which must not be emitted.
func (t *Teller) Env(r wire.Record, emit Emit) error {
	var e wire.Env
	if !e.Unmarshal(r) {
		return nil
	}
	vars := r[wire.SizeEnv:]
	return t.proxies(Process{PID: e.Pid, Start: e.Start}, vars[:min(len(vars), int(e.Size))], emit)
}

func (t *Teller) proxies(p Process, vars []byte, emit Emit) error {
	n := 0
	for v := range bytes.SplitSeq(vars, []byte{0}) {
		name, value, ok := bytes.Cut(v, []byte("="))
		if !ok || len(value) == 0 || !isProxy(string(name)) {
			continue
		}
		if n++; n > 10 {
			break
		}
		if err := t.tell(p, uint64(p.PID)<<32|p.Start&0xffffffff, "env "+string(name), masked(string(value[:min(len(value), 256)])), emit); err != nil {
			return err
		}
	}
	return nil
}

// isProxy reports whether a variable says which proxy a program uses (curl(1), wget(1)).
func isProxy(name string) bool {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy":
		return true
	}
	return false
}

// masked replaces the user and password of a URL.
func masked(url string) string {
	scheme, rest := "", url
	if at := strings.Index(url, "://"); at >= 0 {
		scheme, rest = url[:at+3], url[at+3:]
	}
	host, path := rest, ""
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		host, path = rest[:at], rest[at:]
	}
	// A password may have a slash that its writer did not escape: what is before the last @ is not shown.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return scheme + "***@" + rest[at+1:]
	}
	return scheme + host + path
}

// Found emits the facts of a process that was there before, or that became a target later than its exec.
func (t *Teller) Found(p Process, emit Emit) error {
	if b, err := os.ReadFile(t.o.Proc.Path(p.PID, "environ")); err == nil {
		if err := t.proxies(p, b, emit); err != nil {
			return err
		}
	}
	return t.Started(p, emit)
}

// Started emits what a process with a new program sees of the machine.
func (t *Teller) Started(p Process, emit Emit) error {
	if t.nets[p.NetNS] == nil && len(t.nets) < maxNets && p.NetNS != 0 {
		t.nets[p.NetNS] = openNet(t.o.Proc, p.PID)
	}
	if !t.allowed() {
		return nil
	}
	for _, f := range []struct {
		name, path string
		keep       func(string) string
	}{{"resolv.conf", "etc/resolv.conf", statements}, {"nsswitch hosts", "etc/nsswitch.conf", hostsLine}} {
		b, ok := t.read(p.PID, f.path)
		if !ok {
			continue
		}
		// One for all processes, as long as they see the same.
		if err := t.tell(p, 0, f.name, f.keep(string(b)), emit); err != nil {
			return err
		}
	}
	return nil
}

// read reads the begin of a file as a process sees it, below its root directory.
func (t *Teller) read(pid uint32, path string) ([]byte, bool) {
	if t.closed {
		return nil, false
	}
	root := t.o.Proc.Path(pid, "root")
	b, err := intime.Do(within, func() ([]byte, error) { return below(root, path) })
	if errors.Is(err, intime.ErrLate) {
		t.closed = true
	}
	return b, err == nil
}

// below reads at most maxText bytes of a regular file. All links, absolute ones too, are followed below root.
func below(root, path string) ([]byte, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), filepath.Join(root, path))
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return io.ReadAll(io.LimitReader(f, maxText))
}

// statements returns the lines of resolv.conf(5) that say something, separated by semicolons.
func statements(text string) string {
	var list []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && line[0] != ';' {
			list = append(list, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(list, "; ")
}

// hostsLine returns where nsswitch.conf(5) says that names of hosts are looked up.
func hostsLine(text string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "hosts:"); ok {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	return ""
}

// Call emits the facts that explain a call that failed.
func (t *Teller) Call(r wire.Record, emit Emit) error {
	if len(r) < wire.SizeSyscall {
		return nil
	}
	ret := int64(binary.LittleEndian.Uint64(r[wire.OffSyscallRet:]))
	if ret >= 0 || ret < -4095 {
		return nil
	}
	errno := unix.Errno(-ret)
	switch errno {
	case unix.EMFILE, unix.EADDRINUSE, unix.EADDRNOTAVAIL, unix.EACCES, unix.EPERM:
	default:
		return nil
	}
	var s wire.Syscall
	_, chunks, ok := wire.SyscallParts(r, &s)
	if !ok || !t.allowed() {
		return nil
	}
	p := Process{PID: s.Pid, Start: s.Start}
	of := uint64(s.Pid)
	role := event.Role(0)
	if c := syscalls.Find(s.Abi, s.Nr, s.Sub); c != nil {
		role = c.Role
	}
	switch errno {
	case unix.EMFILE:
		return t.limit(p, of, emit)
	case unix.EADDRINUSE:
		port, ok := portOf(chunks)
		if !ok || t.o.Holders == nil {
			return nil
		}
		return t.holder(p, port, emit)
	case unix.EADDRNOTAVAIL:
		if role.Has(event.Connects | event.Binds) {
			return t.sysctl(p, "net.ipv4.ip_local_port_range", emit)
		}
		return nil
	}
	if role.Has(event.Binds) {
		if err := t.sysctl(p, "net.ipv4.ip_unprivileged_port_start", emit); err != nil {
			return err
		}
	}
	return t.confined(p, of, emit)
}

// portOf returns the port of the first IP address in the memory of a call.
func portOf(chunks []byte) (uint16, bool) {
	var c wire.Chunk
	if !c.Unmarshal(chunks) || c.Len < 4 || len(chunks) < wire.SizeChunk+4 {
		return 0, false
	}
	addr := chunks[wire.SizeChunk:]
	if family := binary.LittleEndian.Uint16(addr); family != unix.AF_INET && family != unix.AF_INET6 {
		return 0, false
	}
	return binary.BigEndian.Uint16(addr[2:]), true
}

func (t *Teller) limit(p Process, of uint64, emit Emit) error {
	b, err := os.ReadFile(t.o.Proc.Path(p.PID, "limits"))
	if err != nil {
		return nil // it has ended
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) >= 2 {
				return t.tell(p, of, "limit nofile", f[0]+" "+f[1], emit)
			}
		}
	}
	return nil
}

// confined emits what keeps a process from doing something.
func (t *Teller) confined(p Process, of uint64, emit Emit) error {
	b, err := os.ReadFile(t.o.Proc.Path(p.PID, "status"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "Seccomp", "NoNewPrivs", "CapEff":
			if err := t.tell(p, of, "status "+name, value, emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// sysctl emits a setting of the network namespace of a process, if that is ours: /proc/sys has no other.
func (t *Teller) sysctl(p Process, name string, emit Emit) error {
	theirs, err := t.o.Proc.NetNS(p.PID)
	if err != nil {
		return nil
	}
	ours, err := t.o.Proc.NetNS(t.o.Self)
	if err != nil || ours != theirs {
		return nil
	}
	b, err := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/")))
	if err != nil {
		return nil
	}
	return t.tell(p, 0, "sysctl "+name, strings.Join(strings.Fields(string(b)), " "), emit)
}

// holder emits who has a local port.
func (t *Teller) holder(p Process, port uint16, emit Emit) error {
	pids, err := t.o.Holders(port)
	if err != nil {
		return nil
	}
	var list []string
	for pid := range pids {
		if pid == p.PID || len(list) == 8 {
			continue
		}
		comm, err := os.ReadFile(t.o.Proc.Path(pid, "comm"))
		if err == nil {
			list = append(list, strings.TrimSpace(string(comm))+"["+strconv.Itoa(int(pid))+"]")
		}
	}
	slices.Sort(list)
	text := strings.Join(list, " ")
	if text == "" {
		text = "no other process"
	}
	return t.tell(p, uint64(p.PID)<<16|uint64(port), "holder "+strconv.Itoa(int(port)), text, emit)
}

// State emits the listeners of a port, at the end of a connection of a client to this host.
func (t *Teller) State(r wire.Record, emit Emit) error {
	const tcpClose, tcpSynSent, tcpEstablished, tcpFinWait1 = 7, 2, 1, 4
	if len(r) < wire.SizeState+wire.SizeSock || r[wire.OffStateTo] != tcpClose && r[wire.OffStateTo] != tcpFinWait1 {
		return nil
	}
	from := r[wire.OffStateFrom]
	if from != tcpSynSent && from != tcpEstablished {
		return nil
	}
	var s wire.State
	var k wire.Sock
	if !s.Unmarshal(r) || !k.Unmarshal(r[wire.SizeState:]) {
		return nil
	}
	n := t.nets[k.Netns]
	if n == nil || k.Laddr != k.Raddr && !loopback(k.Family, k.Raddr) || !t.allowed() {
		return nil
	}
	text := n.listeners(k.Rport)
	return t.tell(Process{PID: s.Owner.Pid, Start: s.Owner.Start}, uint64(k.Netns), "listeners "+strconv.Itoa(int(k.Rport)), text, emit)
}

func loopback(family uint16, addr [16]byte) bool {
	if family == unix.AF_INET {
		return addr[0] == 127
	}
	return netip.AddrFrom16(addr).Unmap().IsLoopback()
}

// Drop emits how full the table of connections is, at a packet that netfilter has dropped.
func (t *Teller) Drop(r wire.Record, emit Emit) error {
	if len(r) < wire.SizeKernel || binary.LittleEndian.Uint16(r[wire.OffKernelEvent:]) != wire.EventSkbDrop {
		return nil
	}
	n := t.nets[binary.LittleEndian.Uint32(r[wire.OffKernelNetns:])]
	if n == nil || n.conntrack == nil || !t.allowed() {
		return nil
	}
	limit, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_max")
	if err != nil {
		return nil
	}
	count, ok := n.tracked()
	if !ok {
		return nil
	}
	p := Process{PID: binary.LittleEndian.Uint32(r[wire.OffKernelOwner+wire.OffOwnerPid:]), Start: binary.LittleEndian.Uint64(r[wire.OffKernelOwner+wire.OffOwnerStart:])}
	return t.tell(p, uint64(binary.LittleEndian.Uint32(r[wire.OffKernelNetns:])), "conntrack", fmt.Sprintf("%d of %s", count, strings.TrimSpace(string(limit))), emit)
}
