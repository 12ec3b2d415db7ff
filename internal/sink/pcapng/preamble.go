package pcapng

import (
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// Preamble is what is known when a file begins: the processes, sockets and
// names that were found, and the names of addresses. Files that follow each
// other share one, so that each can be opened by itself. It is for one
// goroutine, and holds 4 MiB of records and 4096 names at most.
type Preamble struct {
	most  int // bytes of records
	bytes int
	list  []item // in the order of their records; raw is nil where one is gone
	gone  int
	at    map[itemKey]int

	procs   map[event.Proc]process
	text    int // bytes of procs' words
	devices map[device]string
	hosts   []host
	host    map[netip.Addr]int

	calls [keptCalls]call // by number modulo keptCalls
}

// call is what a packet's comment says of the call that caused it.
type call struct {
	seq  uint64
	name string
	fd   int32 // -1: none
}

const (
	keptCalls   = 4096
	maxPreamble = 4 << 20
	maxItems    = 1 << 14 // records, each of which takes 250 bytes beside its own
	maxProcs    = 1 << 14
	maxWords    = 4 << 20 // bytes of their names and files
	maxDevices  = 4096
	maxHosts    = 4096
	maxNote     = 200 // bytes by which notes are told apart
)

// NewPreamble returns that of a run that is about to begin.
func NewPreamble() *Preamble { return newPreamble(maxPreamble) }

func newPreamble(most int) *Preamble {
	return &Preamble{
		most: most, at: map[itemKey]int{}, procs: map[event.Proc]process{}, devices: map[device]string{}, host: map[netip.Addr]int{},
	}
}

type item struct {
	key itemKey
	raw []byte
}

// itemKey says what a record is of: a later one takes its place.
type itemKey struct {
	kind byte
	proc event.Proc
	a, b uint64
	text string
}

const (
	ofProcess = iota
	ofSocket
	ofName
	ofReady
	ofClock
	ofNote
)

type process struct {
	comm, exe string
	netns     uint64
}

func (p process) words() int { return len(p.comm) + len(p.exe) }

// device is a network interface.
type device struct {
	netns uint64
	index uint32
}

type host struct {
	addr netip.Addr
	name string
}

// add takes notice of an entry. What it keeps it copies: a sink has an entry
// during Write only.
func (k *Preamble) add(e *event.Entry) {
	if e.Conn != nil && e.Conn.Closed {
		k.drop(itemKey{kind: ofSocket, a: e.Conn.ID.Inode})
		k.drop(itemKey{kind: ofSocket, b: e.Conn.ID.Cookie})
	}
	e.Visit(keeper{k})
}

// Where struct pw_proc says what happened, and that the process was there before:
// its birth is told in another file.
const (
	offWhat = 64
	found   = 1
)

func (k *Preamble) process(e *event.Entry, b *event.Process) {
	key := itemKey{kind: ofProcess, proc: e.Task.Proc}
	if b.What == event.Exit {
		k.text -= k.procs[e.Task.Proc].words()
		delete(k.procs, e.Task.Proc)
		k.drop(key)
		return
	}
	p := process{comm: strings.Clone(e.Task.Comm), exe: strings.Clone(b.Exe), netns: b.NetNS}
	if p.exe == "" { // a child is what its parent is, until it says otherwise
		p.exe = k.procs[b.Parent].exe
	}
	if was, known := k.procs[e.Task.Proc]; (known || len(k.procs) < maxProcs) && k.text+p.words()-was.words() <= maxWords {
		k.text += p.words() - was.words()
		k.procs[e.Task.Proc] = p
	}
	if k.keep(key, e.Raw) {
		raw := k.list[len(k.list)-1].raw
		if len(raw) > offWhat {
			raw[offWhat] = found
		}
	}
}

// keep keeps a copy of a record, if there is room.
func (k *Preamble) keep(key itemKey, raw []byte) bool {
	if len(raw) == 0 || k.most == 0 {
		return false
	}
	k.drop(key)
	if k.bytes+len(raw) > k.most || len(k.at) >= maxItems {
		return false
	}
	k.at[key] = len(k.list)
	k.list = append(k.list, item{key, append([]byte(nil), raw...)})
	k.bytes += len(raw)
	return true
}

func (k *Preamble) drop(key itemKey) {
	i, ok := k.at[key]
	if !ok {
		return
	}
	delete(k.at, key)
	k.bytes -= len(k.list[i].raw)
	k.list[i].raw = nil
	if k.gone++; k.gone*2 <= len(k.list) {
		return
	}
	live := k.list[:0]
	for _, it := range k.list {
		if it.raw != nil {
			k.at[it.key] = len(live)
			live = append(live, it)
		}
	}
	clear(k.list[len(live):])
	k.list, k.gone = live, 0
}

// device says which interface a packet was seen at, as far as that is known: a
// packet has its number, and the connection or the process the namespace.
func (k *Preamble) device(e *event.Entry, p *event.Capture) device {
	d := device{index: p.Iface}
	if e.Conn != nil && e.Conn.NetNS != 0 {
		d.netns = uint64(e.Conn.NetNS)
	} else {
		d.netns = k.procs[e.Task.Proc].netns
	}
	return d
}
