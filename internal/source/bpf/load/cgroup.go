//go:build linux

package load

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// cgroups is the root of cgroup v2, to which cgroup programs are attached.
type cgroups struct {
	path  string
	whole bool     // it is the root of the host, and covers all sockets
	mount *os.File // detached mount, which exists until it is closed; nil if path is an existing mount
}

func (c *cgroups) close() {
	if c.mount != nil {
		c.mount.Close()
	}
}

// cgroupRoot finds the root of cgroup v2: the existing mount if that is the root of the host, or a detached mount
// if that is, or else the existing mount. In a cgroup namespace a mount shows only a part of the hierarchy; the
// root of the host can be reached only if process 1 is in the cgroup namespace of the host.
func cgroupRoot() (*cgroups, error) {
	path, err := proc.Default.CgroupRoot()
	if err == nil && isRoot(path) {
		return &cgroups{path: path, whole: true}, nil
	}
	mount, merr := mountCgroups()
	if merr == nil {
		own := &cgroups{path: fmt.Sprintf("/proc/self/fd/%d", mount.Fd()), mount: mount}
		if own.whole = isRoot(own.path); own.whole || err != nil {
			return own, nil
		}
		own.close()
	}
	if err != nil {
		return nil, errors.Join(err, merr)
	}
	return &cgroups{path: path}, nil
}

// isRoot reports whether a cgroup is the root of the hierarchy: all others have a file cgroup.events
// (Documentation/admin-guide/cgroup-v2.rst).
func isRoot(path string) bool {
	_, err := os.Stat(filepath.Join(path, "cgroup.events"))
	return errors.Is(err, os.ErrNotExist)
}

// mountCgroups makes a detached mount of cgroup v2, in the cgroup namespace of process 1 if it is allowed to
// enter that.
func mountCgroups() (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: the thread exits with the goroutine, so that no other goroutine runs in that namespace.
		runtime.LockOSThread()
		if ns, err := os.Open("/proc/1/ns/cgroup"); err == nil {
			_ = unix.Setns(int(ns.Fd()), unix.CLONE_NEWCGROUP)
			ns.Close()
		}
		f, err := newMount("cgroup2")
		done <- result{f, err}
	}()
	r := <-done
	return r.f, r.err
}

// newMount makes a detached mount (fsmount(2)), which is in no mount table.
func newMount(kind string) (*os.File, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("mounting %s: %w", kind, err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("mounting %s: %w", kind, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("mounting %s: %w", kind, err)
	}
	return os.NewFile(uintptr(fd), kind), nil
}

// root returns the path of the root of cgroup v2. It is valid until closeRoot.
func (k *Kernel) root() (string, error) {
	if k.cgroups == nil {
		c, err := cgroupRoot()
		if err != nil {
			return "", err
		}
		k.cgroups = c
	}
	return k.cgroups.path, nil
}

func (k *Kernel) closeRoot() {
	if k.cgroups != nil {
		k.cgroups.close()
		k.cgroups = nil
	}
}

// cgroup attaches a program to a cgroup, for all sockets below it.
func (k *Kernel) cgroup(path string, as ebpf.AttachType, prog *ebpf.Program) error {
	l, err := link.AttachCgroup(link.CgroupOptions{Path: path, Attach: as, Program: prog})
	if err != nil {
		if !errors.Is(err, unix.EPERM) {
			return err
		}
		if alone := whoIsAlone(path, as); alone != nil {
			return alone
		}
		return err
	}
	k.attached(l)
	k.hooks = append(k.hooks, hook{as, l})
	return nil
}

// hook is a cgroup hook to which one of our programs is attached.
type hook struct {
	as   ebpf.AttachType
	link link.Link
}

// Detached returns the hooks from which another process has detached our programs (bpftool link detach) since the
// last call, by their names in bpftool. It is not safe for concurrent use.
func (k *Kernel) Detached() (names []string) {
	k.hooks = slices.DeleteFunc(k.hooks, func(h hook) bool {
		info, err := h.link.Info()
		if err != nil {
			return false // not supported by this kernel
		}
		c := info.Cgroup()
		gone := c != nil && c.CgroupId == 0
		if gone {
			names = append(names, hookNames[h.as])
		}
		return gone
	})
	return names
}

// AloneError means that another program is attached to a cgroup hook without BPF_F_ALLOW_MULTI, so that no second
// one can be attached.
type AloneError struct {
	Cgroup string
	Hook   string // its name in bpftool
	ID     ebpf.ProgramID
	Name   string // of the program; empty if not known
}

func (e *AloneError) Error() string {
	return fmt.Sprintf("program %d (%q) is attached to %s at %s, and does not allow others", e.ID, e.Name, e.Cgroup, e.Hook)
}

// Fix returns how to make a second program possible.
func (e *AloneError) Fix() string {
	return fmt.Sprintf("attach it with 'multi', or detach it: bpftool cgroup detach %s %s id %d", e.Cgroup, e.Hook, e.ID)
}

// CapError means that a capability is missing.
type CapError struct {
	For  string // what needs it
	Name string // as in capabilities(7), without CAP_
}

func (e *CapError) Error() string {
	return e.For + " need the capability " + e.Name + ", which this process does not have"
}

func (e *CapError) Unwrap() error { return unix.EPERM }

// Fix returns how to get the capability.
func (e *CapError) Fix() string {
	return "run pidwire with sudo, or in a container with --cap-add " + e.Name
}

// refused returns a *CapError if a missing capability is the cause of an error of cgroup programs, else err.
func refused(err error) error {
	if errors.Is(err, unix.EPERM) && lacks(unix.CAP_NET_ADMIN) {
		return &CapError{"programs at sockets", "NET_ADMIN"}
	}
	return err
}

// lacks reports whether the process does not have a capability, by number (linux/capability.h).
func lacks(capability int) bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&h, &sets[0]) == nil && sets[capability/32].Effective&(1<<(capability%32)) == 0
}

// fixOf returns the Fix of err, or an empty string if it has none.
func fixOf(err error) string {
	var known interface{ Fix() string }
	if !errors.As(err, &known) {
		return ""
	}
	return known.Fix()
}

// hookNames has the names of the hooks in bpftool-cgroup(8).
var hookNames = map[ebpf.AttachType]string{
	ebpf.AttachCGroupInetIngress:     "cgroup_inet_ingress",
	ebpf.AttachCGroupInetEgress:      "cgroup_inet_egress",
	ebpf.AttachCGroupInetSockCreate:  "cgroup_inet_sock_create",
	ebpf.AttachCgroupInetSockRelease: "cgroup_inet_sock_release",
	ebpf.AttachCGroupSockOps:         "cgroup_sock_ops",
}

// whoIsAlone returns the program that is attached to a hook without BPF_F_ALLOW_MULTI, or nil if none is.
func whoIsAlone(path string, as ebpf.AttachType) *AloneError {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	id := new(ebpf.ProgramID)
	var pin runtime.Pinner // the kernel writes to id, and Go moves stacks
	pin.Pin(id)
	defer pin.Unpin()
	// BPF_PROG_QUERY of union bpf_attr (linux/bpf.h).
	attr := struct {
		target, as, query, attached uint32
		ids                         uint64
		count, _                    uint32
	}{target: uint32(f.Fd()), as: uint32(as), ids: uint64(uintptr(unsafe.Pointer(id))), count: 1}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_QUERY, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 || attr.count != 1 || attr.attached&unix.BPF_F_ALLOW_MULTI != 0 {
		return nil
	}
	e := &AloneError{Cgroup: path, Hook: hookNames[as], ID: *id}
	if p, err := ebpf.NewProgramFromID(e.ID); err == nil {
		defer p.Close()
		if info, err := p.Info(); err == nil {
			e.Name = info.Name
		}
	}
	return e
}
