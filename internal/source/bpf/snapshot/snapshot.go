//go:build linux

// Package snapshot makes records of what existed before the programs were attached: the
// sockets of processes, and the descriptors that their epoll instances monitor.
package snapshot

import (
	"encoding/binary"
	"slices"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Emit receives records, which are valid until it returns.
type Emit = func(wire.Record) error

// Epolls emits a record for each descriptor that an epoll instance of the processes
// monitors, as epoll_wait returns only the data that was registered with it.
func Epolls(f proc.FS, found []*proc.Process, at uint64, emit Emit) error {
	var buf []byte
	for _, p := range found {
		list, err := f.Ready(p.PID)
		if err != nil {
			continue // it has ended, or we may not read it
		}
		for _, w := range list {
			r := wire.Ready{
				H:     wire.Hdr{Kind: wire.KindReady, Layer: wire.LayerSys, Time: at},
				Start: p.Start, Data: w.Data, Ino: w.Inode, Pid: p.PID, Epfd: w.EpFD, Fd: w.FD, Events: w.Events,
			}
			buf = r.Append(buf[:0])
			if err := emit(wire.Seal(buf)); err != nil {
				return err
			}
		}
	}
	return nil
}

// PortHolders returns the processes that have a socket on one of the local ports.
func PortHolders(k *load.Kernel, f proc.FS, ports []uint16) (map[uint32]bool, error) {
	if len(ports) == 0 {
		return nil, nil
	}
	pids := map[uint32]bool{}
	if k.Open != nil {
		list, err := load.ReadIter(k.Open)
		if err != nil {
			return nil, err
		}
		err = each(list, func(o *open) error {
			if slices.Contains(ports, o.sock.Lport) {
				pids[o.pid] = true
			}
			return nil
		})
		return pids, err
	}
	inodes, err := f.PortInodes(ports)
	if err != nil {
		return nil, err
	}
	all, err := f.PIDs()
	if err != nil {
		return nil, err
	}
	for _, pid := range all {
		socks, err := f.Socks(pid)
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

// open is an open socket of a process: struct open_sock in bpf/sockets.bpf.c.
type open struct {
	start uint64
	pid   uint32
	sk    uint64 // address of the struct sock
	first uint64 // MPTCP: address of the first TCP subflow, else 0
	sock  wire.Sock
}

const sizeOpen = 32 + wire.SizeSock

// each calls do for each entry in the output of the iterator over the open sockets of the host,
// in all network namespaces.
func each(b []byte, do func(*open) error) error {
	for ; len(b) >= sizeOpen; b = b[sizeOpen:] {
		o := open{start: binary.LittleEndian.Uint64(b), pid: binary.LittleEndian.Uint32(b[8:])}
		o.sk, o.first = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		o.sock.Unmarshal(b[32:])
		if err := do(&o); err != nil {
			return err
		}
	}
	return nil
}

// Sockets emits a record for each socket of the processes, and stores their owners for the BPF
// programs.
func Sockets(k *load.Kernel, f proc.FS, found []*proc.Process, at uint64, emit Emit) error {
	if len(found) == 0 {
		return nil
	}
	paths, err := f.UnixPaths()
	if err != nil {
		paths = nil // the records have no names then
	}
	var buf []byte
	put := func(p *proc.Process, sock *wire.Sock, n int) error {
		var attrs []byte
		if path := paths[sock.Ino]; path != "" {
			attrs = wire.AppendAttr(attrs, wire.TagName, path)
		}
		r := wire.Socksnap{
			H:     wire.Hdr{Kind: wire.KindSock, Layer: wire.LayerSys, Time: at},
			Start: p.Start, Pid: p.PID, Attrs: uint16(len(attrs)), Holders: uint16(min(n, 1<<16-1)),
		}
		buf = append(sock.Append(r.Append(buf[:0])), attrs...)
		return emit(wire.Seal(buf))
	}
	if k.Open == nil {
		return listed(f, found, paths, put)
	}
	ours := map[uint32]*proc.Process{}
	for _, p := range found {
		ours[p.PID] = p
	}
	list, err := load.ReadIter(k.Open)
	if err != nil {
		return err
	}
	held := holders(list, ours)
	return each(list, func(o *open) error {
		p := ours[o.pid]
		if p == nil {
			return nil
		}
		w := wire.Owner{
			Cookie: o.sock.Cookie, Start: o.start, Time: at, Pid: p.PID, Tid: p.PID, Nspid: p.NSPID, Nstid: p.NSPID,
			Uid: p.UID, How: wire.OwnerFound | wire.OwnerOld,
		}
		copy(w.Comm[:len(w.Comm)-1], p.Comm)
		if err := k.OldSocket(o.sk, o.first, &w, o.sock.Netns); err != nil {
			return err
		}
		return put(p, &o.sock, held[o.sk].n)
	})
}

// holding counts the processes that have a socket. The entries of one process are adjacent in the list.
type holding struct {
	n    int
	last uint32 // pid of the last one counted
}

// holders counts the processes that have each of the sockets of ours, by address of the socket.
func holders(list []byte, ours map[uint32]*proc.Process) map[uint64]holding {
	held := map[uint64]holding{}
	_ = each(list, func(o *open) error {
		if ours[o.pid] != nil {
			held[o.sk] = holding{}
		}
		return nil
	})
	_ = each(list, func(o *open) error {
		if h, ok := held[o.sk]; ok && h.last != o.pid {
			held[o.sk] = holding{h.n + 1, o.pid}
		}
		return nil
	})
	return held
}

// listed reads the sockets from /proc, if there is no iterator.
func listed(f proc.FS, found []*proc.Process, paths map[uint64]string, put func(*proc.Process, *wire.Sock, int) error) error {
	for _, p := range found {
		socks, err := f.Socks(p.PID)
		if err != nil {
			continue // it has ended, or we may not read it
		}
		table, err := f.Inet(p.PID)
		if err != nil {
			table = nil
		}
		for fd, ino := range socks {
			sock := table[ino]
			sock.Ino, sock.Fd = ino, fd
			if _, ok := paths[ino]; ok {
				sock.Family = 1 // AF_UNIX
			}
			if err := put(p, &sock, 0); err != nil {
				return err
			}
		}
	}
	return nil
}
