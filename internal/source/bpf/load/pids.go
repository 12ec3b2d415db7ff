//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
	"github.com/pidwire/pidwire/internal/source/proc"
)

// Pids translates pids between the host and /proc, if pidwire runs in a pid namespace
// below the host's: the BPF programs use pids of the host. It implements proc.Pids, and is
// safe for concurrent use.
type Pids struct {
	Self  uint32 // our own pid on the host
	prog  *ebpf.Program
	level uint32 // level of the pid namespace of /proc; 0 is the host

	mu    sync.Mutex
	read  time.Time
	there map[uint32]uint32 // pids in /proc by those of the host
	host  map[uint32]uint32 // pids of the host by those in /proc
}

// fresh is how long the pids are valid before they are read again, because they may be
// reused.
const fresh = 200 * time.Millisecond

// ErrNamespace means that pids of this pid namespace cannot be translated to those of
// the host.
var ErrNamespace = errors.New("in a nested pid namespace")

// OpenPids loads the iterator for the translation. It returns nil in the host's pid namespace,
// where none is needed. Errors wrap ErrNamespace, except those of loading the program.
func OpenPids(f proc.FS) (*Pids, error) {
	host, err := f.InHost()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNamespace, err)
	}
	if host {
		return nil, nil
	}
	depth, err := f.Depth()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNamespace, err)
	}
	_ = rlimit.RemoveMemlock()
	p := &Pids{}
	level, err := p.own()
	if err != nil {
		return nil, err
	}
	if uint32(depth) > level {
		return nil, fmt.Errorf("%w: its level is %d, and %d relative to that of /proc", ErrNamespace, level, depth)
	}
	if err := p.load(level - uint32(depth)); err != nil {
		return nil, err
	}
	if p.Self == 0 {
		p.Close()
		return nil, fmt.Errorf("%w: the kernel does not report the pid of pidwire there", ErrNamespace)
	}
	return p, nil
}

// Close frees the program.
func (p *Pids) Close() error {
	if p == nil {
		return nil
	}
	return p.prog.Close()
}

// own returns the level of our own pid namespace.
func (p *Pids) own() (uint32, error) {
	if err := p.load(0); err != nil {
		return 0, err
	}
	defer p.prog.Close()
	list, err := p.numbers()
	for _, n := range list {
		if n.self {
			return n.level, err
		}
	}
	return 0, errors.Join(err, fmt.Errorf("%w: the kernel does not report process %d", ErrNamespace, os.Getpid()))
}

func (p *Pids) load(level uint32) error {
	spec, o, err := object.Open[object.PidsSpecs](object.LoadPids)
	if err != nil {
		return err
	}
	if err := configure(spec, new(Kernel).settings(Config{})); err != nil {
		return err
	}
	if err := o.CfgLevel.Set(level); err != nil {
		return err
	}
	var progs object.PidsPrograms
	if err := spec.LoadAndAssign(&progs, nil); err != nil {
		return err
	}
	p.prog, p.level = progs.Pids, level
	return p.refresh()
}

type number struct {
	host, there, level uint32
	self               bool
}

func (p *Pids) numbers() (list []number, err error) {
	b, err := ReadIter(p.prog)
	if err != nil {
		return nil, err
	}
	const size = 16 // struct numbers in bpf/pids.bpf.c
	for ; len(b) >= size; b = b[size:] {
		list = append(list, number{
			host: binary.NativeEndian.Uint32(b), there: binary.NativeEndian.Uint32(b[4:]),
			self: binary.NativeEndian.Uint32(b[8:]) != 0, level: binary.NativeEndian.Uint32(b[12:]),
		})
	}
	return list, nil
}

func (p *Pids) refresh() error {
	list, err := p.numbers()
	if err != nil {
		return err
	}
	p.there, p.host, p.read = map[uint32]uint32{}, map[uint32]uint32{}, time.Now()
	for _, n := range list {
		p.there[n.host], p.host[n.there] = n.there, n.host
		if n.self {
			p.Self = n.host
		}
	}
	return nil
}

// There implements proc.Pids. In the /proc of the host, pids are not translated.
func (p *Pids) There(host uint32) (uint32, bool) {
	if p.level == 0 {
		return host, true
	}
	return p.get(&p.there, host)
}

// Host implements proc.Pids.
func (p *Pids) Host(there uint32) (uint32, bool) {
	if p.level == 0 {
		return there, true
	}
	return p.get(&p.host, there)
}

func (p *Pids) get(m *map[uint32]uint32, pid uint32) (uint32, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := (*m)[pid]
	if !ok || time.Since(p.read) > fresh {
		if p.refresh() != nil {
			return 0, false
		}
		n, ok = (*m)[pid]
	}
	return n, ok
}
