package bundle

import (
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// group holds the kernel functions of one system call of a thread, from the outermost
// one on, as another tool's kernel tracer has printed them.
type group struct {
	items []*item
	names []string // system calls that it can be
	done  bool     // it is complete
}

// kernel sets the fields of an item from a kernel event.
func (it *item) kernel(k *event.Kernel, name func(string) string) {
	it.step, it.depth = true, k.Depth
	switch k.What {
	case event.KernelLeave:
		it.leaves = true
	case event.KernelLeaf:
		it.leaves = true
		fallthrough
	case event.KernelEnter:
		if k.Depth <= 1 {
			it.enters = name(syscallOf(k.Name))
		}
	}
}

// syscallOf returns the system call that a kernel function implements: connect for
// __x64_sys_connect and sys_connect; empty if it is none.
func syscallOf(function string) string {
	f := strings.TrimPrefix(function, "__")
	for _, arch := range []string{"x64_", "ia32_", "arm64_", "se_", "do_"} {
		f = strings.TrimPrefix(f, arch)
	}
	for _, prefix := range []string{"sys_", "SyS_"} {
		if rest, ok := strings.CutPrefix(f, prefix); ok {
			return rest
		}
	}
	return ""
}

// steps joins groups of kernel functions and the calls of other files: those of the same
// thread, in order, by name.
func (b *Bundle) steps(limit int64) {
	for _, s := range b.files {
		if s.h.Layers != 1<<wire.LayerKrn {
			continue
		}
		for pid, groups := range s.groups() {
			for _, f := range b.files {
				if f != s {
					b.stepsOf(groups, f, pid, limit)
				}
			}
		}
	}
}

// groups returns the groups of a file that have no call yet, by thread.
func (f *file) groups() map[uint32][]*group {
	all := map[uint32][]*group{}
	for _, it := range f.held {
		if !it.step || it.mate != nil || it.placed || it.gone {
			continue
		}
		list := all[it.pid]
		if it.depth == 0 && it.enters != "" && !(it.leaves && len(list) > 0 && !list[len(list)-1].done) {
			list = append(list, &group{})
			all[it.pid] = list
		}
		if len(list) == 0 || list[len(list)-1].done {
			continue // the start of the call is missing
		}
		g := list[len(list)-1]
		g.items = append(g.items, it)
		if it.enters != "" {
			g.names = append(g.names, it.enters)
		}
		g.done = it.depth == 0 && it.leaves
	}
	return all
}

func (b *Bundle) stepsOf(groups []*group, f *file, pid uint32, limit int64) {
	var cs []*item
	for _, it := range f.held {
		if it.kind == call && !it.step && it.done && it.steps == nil && !it.placed && it.pid == pid {
			cs = append(cs, it)
		}
	}
	match(len(cs), len(groups), func(i, j int) bool {
		c, first := cs[i], groups[j].items[0]
		return groups[j].done && groups[j].items[0].mate == nil && slices.Contains(groups[j].names, c.name) && c.lo <= first.hi+latency && first.lo <= c.hi+latency
	}, func(i, j int) {
		c := cs[i]
		if c.due >= limit && c.hi < whenever {
			return
		}
		c.steps = groups[j].items
		for _, it := range c.steps {
			it.mate = c
		}
	})
}

// vague is the least slack of the times of steps, in ns: no file tells when within its call
// the first of them was.
const vague = 1_000_000

// rides reports whether an item is emitted with a call.
func (it *item) rides() bool { return it.mate != nil && (it.kind == record || it.step) }

// sendSteps emits the kernel functions of a call.
func (b *Bundle) sendSteps(c *item) error {
	if len(c.steps) == 0 {
		return nil
	}
	began, slack := c.steps[0].lo, c.hi-c.lo
	for _, it := range c.steps {
		at := c.shown + max(it.lo-began, 0)
		it.lo, it.shown, it.hi = at, at, at+max(slack, vague)
		if len(it.rec) >= wire.SizeText {
			it.rec[wire.OffTextFlags] |= wire.TextUnder
		}
		if err := b.send(it); err != nil {
			return err
		}
		*it = item{gone: true}
	}
	return nil
}
