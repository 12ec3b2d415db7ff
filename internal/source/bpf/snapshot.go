//go:build linux

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// snapshot makes targets of the processes that are there, and puts down who
// they are and which sockets they hold. The programs are attached by now: what
// happens meanwhile waits in the ring.
func (s *Source) snapshot(emit func(wire.Record) error) error {
	found, err := s.findTargets()
	if err != nil {
		return err
	}
	s.found = found
	if err := s.k.adoptSockets(); err != nil {
		return err
	}
	at := now()
	holders := map[uint32]*proc.Process{}
	for _, p := range found {
		holders[p.PID] = p
		s.watched(p.PID)
		if err := s.userName(p.UID, emit); err != nil {
			return err
		}
		if err := emit(p.Record(at)); err != nil {
			return err
		}
		if err := s.ifaceNames(p.PID, p.NetNS, at, emit); err != nil {
			return err
		}
	}
	if err := s.openSockets(holders, at, emit); err != nil {
		return err
	}
	return s.epolls(found, at, emit)
}

// epolls puts down what the processes' epoll instances wait for: epoll_wait
// gives back only the number that was registered with each.
func (s *Source) epolls(found []*proc.Process, at uint64, emit func(wire.Record) error) error {
	for _, p := range found {
		list, err := proc.Default.Ready(p.PID)
		if err != nil {
			continue // it ended, or is hidden from us
		}
		for _, w := range list {
			r := wire.Ready{
				H:     wire.Hdr{Kind: wire.KindReady, Layer: wire.LayerSys, Time: at},
				Start: p.Start, Data: w.Data, Ino: w.Inode, Pid: p.PID, Epfd: w.EpFD, Fd: w.FD, Events: w.Events,
			}
			s.buf = r.Append(s.buf[:0])
			if err := emit(wire.Seal(s.buf)); err != nil {
				return err
			}
		}
	}
	return nil
}

// findTargets marks the matching processes as watched, their children too, and
// looks again until nothing new is found: a child may be born between the look
// and the mark.
func (s *Source) findTargets() ([]*proc.Process, error) {
	marked := map[uint32]*proc.Process{}
	var order []*proc.Process
	byPort, err := s.portHolders()
	if err != nil {
		return nil, err
	}
	for {
		pids, err := proc.Default.PIDs()
		if err != nil {
			return nil, err
		}
		added := false
		for _, pid := range pids {
			if marked[pid] != nil || pid == s.opts.Self {
				continue
			}
			p, err := proc.Default.Read(pid)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			hit := byPort[pid] || (s.opts.Follow && marked[p.PPID] != nil)
			for i := range s.opts.Targets {
				hit = hit || s.opts.Targets[i].Match(p)
			}
			if !hit {
				continue
			}
			if err := s.Watch(pid); err != nil {
				return nil, fmt.Errorf("watching %d: %w", pid, err)
			}
			marked[pid] = p
			order = append(order, p)
			added = true
		}
		if !added {
			break
		}
	}
	for i := range s.opts.Targets {
		t := &s.opts.Targets[i]
		if t.PID != 0 && marked[t.PID] == nil {
			return nil, fmt.Errorf("%w: process %d ended before it could be watched", proc.ErrNoTarget, t.PID)
		}
	}
	return order, nil
}

// portHolders returns the processes that have one of the wanted local ports.
func (s *Source) portHolders() (map[uint32]bool, error) {
	if len(s.opts.Ports) == 0 {
		return nil, nil
	}
	pids := map[uint32]bool{}
	if s.k.iter != nil {
		err := s.eachOpenSocket(func(o openSock) error {
			if slices.Contains(s.opts.Ports, o.sock.Lport) {
				pids[o.pid] = true
			}
			return nil
		})
		return pids, err
	}
	inodes, err := proc.Default.PortInodes(s.opts.Ports)
	if err != nil {
		return nil, err
	}
	all, err := proc.Default.PIDs()
	if err != nil {
		return nil, err
	}
	for _, pid := range all {
		socks, err := proc.Default.Socks(pid)
		if err != nil {
			continue
		}
		for _, ino := range socks {
			if _, ok := inodes[ino]; ok {
				pids[pid] = true
			}
		}
	}
	return pids, nil
}

type openSock struct {
	start uint64
	pid   uint32
	sk    uint64 // address of the struct sock
	first uint64 // MPTCP: of its first TCP socket, else 0
	sock  wire.Sock
}

// eachOpenSocket runs the iterator over all open files of the host; it also
// makes it plain which descriptor is which socket, in any network namespace.
func (s *Source) eachOpenSocket(f func(openSock) error) error {
	b, err := readIter(s.k.iter)
	if err != nil {
		return err
	}
	const size = 32 + wire.SizeSock // struct open_sock in bpf/sockets.bpf.c
	for ; len(b) >= size; b = b[size:] {
		o := openSock{start: binary.LittleEndian.Uint64(b), pid: binary.LittleEndian.Uint32(b[8:])}
		o.sk, o.first = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		o.sock.Unmarshal(b[32:])
		if err := f(o); err != nil {
			return err
		}
	}
	return nil
}

// readIter runs an iterator over tasks or their open files, and returns what it
// wrote.
func readIter(p *ebpf.Program) ([]byte, error) {
	it, err := link.AttachIter(link.IterOptions{Program: p})
	if err != nil {
		return nil, fmt.Errorf("iterator: %w", err)
	}
	defer it.Close()
	return readLink(it)
}

func readLink(it *link.Iter) ([]byte, error) {
	r, err := it.Open()
	if err != nil {
		return nil, fmt.Errorf("iterator: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("iterator: %w", err)
	}
	return b, nil
}

// openSockets puts down the sockets that the watched processes hold.
func (s *Source) openSockets(holders map[uint32]*proc.Process, at uint64, emit func(wire.Record) error) error {
	if len(holders) == 0 {
		return nil
	}
	paths, err := proc.Default.UnixPaths()
	if err != nil {
		paths = nil // only names are missing without it
	}
	put := func(p *proc.Process, k *wire.Sock) error {
		var attrs []byte
		if path := paths[k.Ino]; path != "" {
			attrs = wire.AppendAttr(attrs, wire.TagName, path)
		}
		r := wire.Socksnap{
			H:     wire.Hdr{Kind: wire.KindSock, Layer: wire.LayerSys, Time: at},
			Start: p.Start, Pid: p.PID, Attrs: uint16(len(attrs)),
		}
		b := k.Append(r.Append(s.buf[:0]))
		b = append(b, attrs...)
		s.buf = b
		return emit(wire.Seal(b))
	}
	if s.k.iter != nil {
		return s.eachOpenSocket(func(o openSock) error {
			p := holders[o.pid]
			if p == nil {
				return nil
			}
			if err := s.k.oldSocket(p, &o, at); err != nil {
				return err
			}
			return put(p, &o.sock)
		})
	}
	for pid, p := range holders {
		socks, err := proc.Default.Socks(pid)
		if err != nil {
			continue // it ended, or is hidden from us
		}
		table, err := proc.Default.Inet(pid)
		if err != nil {
			table = nil
		}
		for fd, ino := range socks {
			k := table[ino]
			k.Ino, k.Fd = ino, fd
			if _, ok := paths[ino]; ok {
				k.Family = 1 // AF_UNIX
			}
			if err := put(p, &k); err != nil {
				return err
			}
		}
	}
	return nil
}

// userName tells the name of a user once.
func (s *Source) userName(uid uint32, emit func(wire.Record) error) error {
	if s.users[uid] {
		return nil
	}
	s.users[uid] = true
	name := proc.UserName(uid)
	if name == "" {
		return nil
	}
	return s.name(wire.NameUser, 0, uid, name, emit)
}

// maxNamespaces bounds the network namespaces whose interfaces are told.
const maxNamespaces = 1024

// ifaceNames tells the names of the interfaces of a process's network
// namespace, once a namespace. Where it cannot be entered, numbers stay numbers.
func (s *Source) ifaceNames(pid uint32, netns, at uint64, emit func(wire.Record) error) error {
	if s.ifaces[netns] || netns == 0 || len(s.ifaces) >= maxNamespaces {
		return nil
	}
	s.ifaces[netns] = true
	list, err := interfacesOf(pid, netns)
	if err != nil {
		return nil
	}
	for _, i := range list {
		if s.k.names != nil {
			s.k.names.once(wire.NameIface, netns<<32|uint64(i.Index))
		}
		if err := s.nameAt(at, wire.NameIface, netns, uint32(i.Index), i.Name, emit); err != nil {
			return err
		}
	}
	return nil
}

// interfacesOf lists the interfaces of a network namespace, by way of a process
// that is in it.
func interfacesOf(pid uint32, netns uint64) ([]net.Interface, error) {
	if own, err := proc.Default.NetNS(uint32(os.Getpid())); err == nil && own == netns {
		return net.Interfaces()
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Ino != netns {
		return nil, fmt.Errorf("process %d has left network namespace %d", pid, netns)
	}
	type result struct {
		list []net.Interface
		err  error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and nobody else
		// finds itself in that namespace.
		runtime.LockOSThread()
		var r result
		if r.err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); r.err == nil {
			r.list, r.err = net.Interfaces()
		}
		done <- r
	}()
	r := <-done
	return r.list, r.err
}

func (s *Source) name(what uint16, netns uint64, id uint32, name string, emit func(wire.Record) error) error {
	return s.nameAt(now(), what, netns, id, name, emit)
}

func (s *Source) nameAt(at uint64, what uint16, netns uint64, id uint32, name string, emit func(wire.Record) error) error {
	attrs := wire.AppendAttr(nil, wire.TagName, name)
	n := wire.Name{
		H:     wire.Hdr{Kind: wire.KindName, Time: at},
		Netns: netns, Id: id, What: what, Attrs: uint16(len(attrs)),
	}
	return emit(wire.Seal(append(n.Append(s.buf[:0]), attrs...)))
}
