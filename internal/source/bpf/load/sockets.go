//go:build linux

package load

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// WaitShown is how long a call must be blocked before it is shown as waiting, in ns.
const WaitShown = 1_000_000_000

// loadSockets attaches the programs that create socket cookies when sockets are created, and
// loads the iterator over open sockets. Each part is optional.
func (k *Kernel) loadSockets(c Config) {
	one := func(which func(*object.SocketsSpecs) *ebpf.ProgramSpec, number bool) (*ebpf.Program, error) {
		spec, o, err := object.Open[object.SocketsSpecs](object.LoadSockets)
		if err != nil {
			return nil, err
		}
		if number {
			if err := o.CfgNumber.Set(uint8(1)); err != nil {
				return nil, err
			}
		}
		progs, err := k.load(c, spec, nil, which(o))
		if err != nil {
			return nil, err
		}
		return progs[0], nil
	}
	state, err := one(func(o *object.SocketsSpecs) *ebpf.ProgramSpec { return o.CookieState }, false)
	if err == nil {
		// Only as a tracing program: if that type may not call the helper, a cookie cannot be created here.
		var l link.Link
		if l, err = link.AttachTracing(link.TracingOptions{Program: state}); err == nil {
			k.attached(l)
		}
	}
	byTracing := err == nil

	root, err := k.root()
	if err != nil {
		k.note(err, "socket cookies are assigned late; sockets are identified by inode until then", "mount -t cgroup2 none /sys/fs/cgroup")
	} else {
		k.Works.Cookies = true
		hook := func(as ebpf.AttachType, which func(*object.SocketsSpecs) *ebpf.ProgramSpec) {
			p, err := one(which, false)
			if err == nil {
				err = k.cgroup(root, as, p)
			}
			if err = refused(err); err != nil {
				k.Works.Cookies = false
				k.note(fmt.Errorf("%s: %w", as, err), "socket cookies are assigned late; sockets are identified by inode until then", fixOf(err))
			}
		}
		hook(ebpf.AttachCGroupInetSockCreate, func(o *object.SocketsSpecs) *ebpf.ProgramSpec { return o.CookieCreate })
		if !byTracing {
			hook(ebpf.AttachCGroupSockOps, func(o *object.SocketsSpecs) *ebpf.ProgramSpec { return o.CookieSockops })
		}
	}
	open := func(o *object.SocketsSpecs) *ebpf.ProgramSpec { return o.OpenSockets }
	if k.Open, err = one(open, true); err != nil {
		// Then sockets that are already open have no cookie, and are identified by inode.
		k.Open, err = one(open, false)
	}
	if err != nil {
		k.note(err, "no iterator over open files: existing sockets are read from /proc", "")
	}
}

// loadBlocked attaches the iterator over blocked calls.
func (k *Kernel) loadBlocked(c Config) {
	attach := func(program func(*object.BlockedSpecs) *ebpf.ProgramSpec, over *ebpf.Map) error {
		spec, o, err := object.Open[object.BlockedSpecs](object.LoadBlocked)
		if err != nil {
			return err
		}
		if err := o.CfgBlocked.Set(uint64(WaitShown)); err != nil {
			return err
		}
		progs, err := k.load(c, spec, nil, program(o))
		if err != nil {
			return err
		}
		k.Blocked, err = link.AttachIter(link.IterOptions{Program: progs[0], Map: over})
		return err
	}
	err := attach(func(o *object.BlockedSpecs) *ebpf.ProgramSpec { return o.Blocked }, k.Maps.Threads)
	if err != nil {
		err = attach(func(o *object.BlockedSpecs) *ebpf.ProgramSpec { return o.BlockedTasks }, nil)
	}
	if err != nil {
		k.Blocked = nil
		k.note(err, "blocked calls are not shown before they return", "")
		return
	}
	k.attached(k.Blocked)
}

// Unaudited loads the iterator over the targets' threads that Linux audit cannot
// see. The caller must close it.
func (k *Kernel) Unaudited(c Config) (*ebpf.Program, error) {
	spec, o, err := object.Open[object.AuditSpecs](object.LoadAudit)
	if err != nil {
		return nil, err
	}
	progs, err := k.load(c, spec, nil, o.Unaudited)
	if err != nil {
		return nil, err
	}
	return progs[0], nil
}
