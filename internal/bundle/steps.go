package bundle

import (
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// group is what a thread went through in the kernel from the outermost function
// on: of one system call, as a kernel tracer of another tool printed it.
type group struct {
	items []*item
	names []string // of the system calls that it may be
	done  bool     // its end is here
}

// step reads of an item what the kernel did.
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

// syscallOf is the system call that a function of the kernel is the begin of:
// __x64_sys_connect, sys_connect; empty if it is none.
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

// steps puts what kernel tracers printed under the calls that other files have:
// those of one thread, in order, by their names.
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

// groups are those of a file that have not been put anywhere yet, by thread.
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
			continue // of a call whose begin is not here
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

// vague is how far the times of steps may be off at least, ns: when in its call
// the first of them was nobody tells.
const vague = 1_000_000

// rides reports whether an item is shown with a call, and not by itself.
func (it *item) rides() bool { return it.mate != nil && (it.kind == record || it.step) }

// sendSteps emits what stands under a call.
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
