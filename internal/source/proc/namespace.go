package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Inodes of the host's namespaces (include/linux/proc_ns.h, include/uapi/linux/nsfs.h).
// Those of mnt and net are fixed since Linux 6.18; on older kernels no namespace has these.
const (
	initPid    = 4026531836
	initUser   = 4026531837
	initCgroup = 4026531835
	initMnt    = 4026531832
	initNet    = 4026531833
)

// Namespace is a namespace of this process.
type Namespace struct {
	Kind  string // as in /proc/PID/ns
	Inode uint64
	Where string // text that says which one it is
}

// Namespaces lists the namespaces of this process: pid, mnt, net, user and cgroup.
func (f FS) Namespaces() []Namespace {
	var list []Namespace
	host := f.inHost()
	for _, n := range []struct {
		kind string
		init uint64
	}{{"pid", initPid}, {"mnt", initMnt}, {"net", initNet}, {"user", initUser}, {"cgroup", initCgroup}} {
		link, err := os.Readlink(filepath.Join(f.Root, "self/ns", n.kind))
		if err != nil {
			list = append(list, Namespace{Kind: n.kind, Where: "cannot be read: " + err.Error()})
			continue
		}
		ns := Namespace{Kind: n.kind, Inode: nsInode(link)}
		first, err := os.Readlink(filepath.Join(f.Root, "1/ns", n.kind))
		switch {
		case ns.Inode == n.init:
			ns.Where = "the host's"
		case n.kind != "mnt" && n.kind != "net":
			ns.Where = "not that of the host"
		case err != nil:
			ns.Where = "that of process 1 cannot be read"
		case link == first && host:
			ns.Where = "the host's"
		case link == first:
			ns.Where = "that of process 1"
		default:
			ns.Where = "not that of process 1"
		}
		list = append(list, ns)
	}
	return list
}

// inHost reports whether this process and /proc are in the host's pid namespace.
func (f FS) inHost() bool {
	link, err := os.Readlink(filepath.Join(f.Root, "self/ns/pid"))
	return err == nil && nsInode(link) == initPid
}

// ErrOtherProc means that /proc belongs to a pid namespace that this process is not in.
var ErrOtherProc = errors.New("/proc belongs to a pid namespace that this process is not in")

// InHost reports whether this process is in the host's pid namespace. The error is
// ErrOtherProc if it is neither in the pid namespace of /proc nor in one below it.
func (f FS) InHost() (bool, error) {
	if _, err := os.Readlink(filepath.Join(f.Root, "self")); errors.Is(err, fs.ErrNotExist) {
		return false, ErrOtherProc
	} else if err != nil {
		return false, err
	}
	return f.inHost(), nil
}

// Depth returns how many levels the pid namespace of this process is below that of
// /proc; 0 if it is the same.
func (f FS) Depth() (int, error) {
	b, err := os.ReadFile(filepath.Join(f.Root, "self/status"))
	if err != nil {
		return 0, err
	}
	return len(nsPids(b)) - 1, nil
}

// nsPids returns the pids of a process, from the pid namespace of /proc down to its own.
func nsPids(status []byte) []string {
	_, rest, ok := bytes.Cut(status, []byte("\nNSpid:"))
	if !ok {
		return []string{""} // old kernels do not show it: assume one level
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.Fields(string(line))
}

// There translates a pid of this process's own pid namespace, such as that of a child, to
// the pid in /proc. The error wraps ErrNoTarget if /proc does not have the process.
func (f FS) There(own uint32) (uint32, error) {
	self, err := os.Readlink(filepath.Join(f.Root, "self"))
	if err != nil || self == strconv.Itoa(os.Getpid()) {
		return own, nil // an error of /proc is reported where it is read
	}
	depth, err := f.Depth()
	if err != nil {
		return 0, err
	}
	ns, err := os.Readlink(filepath.Join(f.Root, "self/ns/pid"))
	if err != nil {
		return 0, err
	}
	all, err := readNames(f.Root)
	if err != nil {
		return 0, err
	}
	for _, name := range all {
		pid, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join(f.Root, name, "status"))
		if err != nil {
			continue
		}
		n := nsPids(status)
		if len(n) <= depth || n[depth] != strconv.FormatUint(uint64(own), 10) {
			continue
		}
		// Another namespace may have the same pid.
		if its, err := os.Readlink(filepath.Join(f.Root, name, "ns/pid")); err == nil && its == ns {
			return uint32(pid), nil
		}
	}
	return 0, fmt.Errorf("%w: process %d of this pid namespace is not in /proc", ErrNoTarget, own)
}

// ErrAmbiguous means that a pid is that of one process in /proc, and of another one in our
// own pid namespace, which is not that of /proc.
var ErrAmbiguous = errors.New("ambiguous pid")

// Named reads the process for a pid that the user has given. The error is fs.ErrNotExist if
// there is none, and wraps ErrAmbiguous if there are two.
func (f FS) Named(pid uint32) (*Process, error) {
	p, err := f.Read(pid)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	there, e := f.There(pid)
	if e != nil || there == pid {
		return p, err
	}
	own, e := f.Read(there)
	switch {
	case e != nil:
		return p, err
	case p == nil:
		return own, nil
	case p.PID == own.PID:
		return p, nil
	}
	return nil, fmt.Errorf("%w: %d is %s in /proc, which belongs to another pid namespace, and %s here (%d in /proc)", ErrAmbiguous, pid, p.Name(), own.Name(), own.PID)
}
