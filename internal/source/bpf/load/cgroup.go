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

// cgroups is the root of cgroup v2, to which programs at sockets are attached.
type cgroups struct {
	path  string
	whole bool     // the host's: below it are all sockets
	mount *os.File // of this process alone: gone when it is closed. nil: it was there
}

func (c *cgroups) close() {
	if c.mount != nil {
		c.mount.Close()
	}
}

// cgroupRoot finds the root of cgroup v2: where it is mounted, if that is the host's, and else by a mount
// that nobody else sees. In a cgroup namespace the mount is of a part, and the host's is reached only where
// process 1 is the host's.
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

// isRoot reports whether a cgroup is the root of the hierarchy, which alone has no such file
// (Documentation/admin-guide/cgroup-v2.rst).
func isRoot(path string) bool {
	_, err := os.Stat(filepath.Join(path, "cgroup.events"))
	return errors.Is(err, os.ErrNotExist)
}

// mountCgroups mounts cgroup v2 for this process alone, in the cgroup namespace of process 1 if it may enter
// that.
func mountCgroups() (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and nobody else finds itself in that namespace.
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

// newMount makes a mount that stands in no mount table.
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

// root returns the path of the root of cgroup v2, which is good until all is loaded.
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

// cgroup attaches a program to all sockets below a cgroup.
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

// hook is a place of a cgroup where a program of ours stands.
type hook struct {
	as   ebpf.AttachType
	link link.Link
}

// Detached returns the hooks that somebody else has taken our programs from (bpftool link detach) since it was
// last asked, as bpftool names them. It is for one goroutine.
func (k *Kernel) Detached() (names []string) {
	k.hooks = slices.DeleteFunc(k.hooks, func(h hook) bool {
		info, err := h.link.Info()
		if err != nil {
			return false // a kernel that does not tell
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

// AloneError says that a program of somebody else stands at a cgroup's hook, and was attached so that no
// second one may stand beside it.
type AloneError struct {
	Cgroup string
	Hook   string // as bpftool names it
	ID     ebpf.ProgramID
	Name   string // of the program, as its owner calls it
}

func (e *AloneError) Error() string {
	return fmt.Sprintf("program %d (%q) is attached to %s at %s, and allows no other there", e.ID, e.Name, e.Cgroup, e.Hook)
}

// Fix says what makes room for a second one.
func (e *AloneError) Fix() string {
	return fmt.Sprintf("have it attached with 'multi', or take it off: bpftool cgroup detach %s %s id %d", e.Cgroup, e.Hook, e.ID)
}

// CapError says that a capability is missing.
type CapError struct {
	For  string // what it is needed for
	Name string // as capabilities(7) has it, without CAP_
}

func (e *CapError) Error() string {
	return e.For + " need the capability " + e.Name + ", which this process does not have"
}

func (e *CapError) Unwrap() error { return unix.EPERM }

// Fix says how to get it.
func (e *CapError) Fix() string {
	return "run it with sudo, or in a container with --cap-add " + e.Name
}

// refused names the true cause of an error of programs at sockets, where that is a missing capability.
func refused(err error) error {
	if errors.Is(err, unix.EPERM) && lacks(unix.CAP_NET_ADMIN) {
		return &CapError{"programs at sockets", "NET_ADMIN"}
	}
	return err
}

// lacks reports whether the process has a capability not, by number (linux/capability.h).
func lacks(capability int) bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&h, &sets[0]) == nil && sets[capability/32].Effective&(1<<(capability%32)) == 0
}

// fixOf is what a note about err says to do, empty if nothing is known.
func fixOf(err error) string {
	var known interface{ Fix() string }
	if !errors.As(err, &known) {
		return ""
	}
	return known.Fix()
}

// hookNames has the names by which bpftool-cgroup(8) knows the hooks used here.
var hookNames = map[ebpf.AttachType]string{
	ebpf.AttachCGroupInetIngress:     "cgroup_inet_ingress",
	ebpf.AttachCGroupInetEgress:      "cgroup_inet_egress",
	ebpf.AttachCGroupInetSockCreate:  "cgroup_inet_sock_create",
	ebpf.AttachCgroupInetSockRelease: "cgroup_inet_sock_release",
	ebpf.AttachCGroupSockOps:         "cgroup_sock_ops",
}

// whoIsAlone returns what is attached to a hook without BPF_F_ALLOW_MULTI, nil if nothing is.
func whoIsAlone(path string, as ebpf.AttachType) *AloneError {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	id := new(ebpf.ProgramID)
	var pin runtime.Pinner // the kernel writes there, and stacks move
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
