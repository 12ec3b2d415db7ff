package event

import (
	"bytes"
	"slices"
	"strings"
)

// Clone returns a copy of an entry that shares no reusable memory with it. The result of a decoder
// is valid until its batch is done; a clone may be kept. Connections and static data (names,
// tables) are shared, because they never change.
func (e *Entry) Clone() *Entry {
	c := *e
	c.Task = e.Task.Clone()
	c.Raw = bytes.Clone(e.Raw)
	c.Warn = cloneStrings(e.Warn)
	c.Others = slices.Clone(e.Others)
	c.User = strings.Clone(e.User)
	if e.Body != nil {
		c.Body = e.Body.clone()
	}
	return &c
}

func cloneStrings(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = strings.Clone(list[i])
	}
	return list
}

// Clone returns a copy that shares no reusable memory.
func (t Task) Clone() Task {
	t.Comm = strings.Clone(t.Comm)
	return t
}

func (t Tape) clone() Tape {
	t = slices.Clone(t)
	for i := range t {
		t[i].Str = strings.Clone(t[i].Str)
	}
	return t
}

func cloneArgs(list []Arg) []Arg {
	list = slices.Clone(list)
	for i := range list {
		list[i].Val = list[i].Val.clone()
	}
	return list
}

func cloneAnswers(list []Answer) []Answer {
	list = slices.Clone(list)
	for i := range list {
		list[i].Name = strings.Clone(list[i].Name)
	}
	return list
}

func cloneFrames(list []Frame) []Frame {
	list = slices.Clone(list)
	for i := range list {
		list[i].Name, list[i].File = strings.Clone(list[i].Name), strings.Clone(list[i].File)
	}
	return list
}

func (p *Packet) clone() *Packet {
	if p == nil {
		return nil
	}
	c := *p
	c.Data, c.IP.Options, c.TCP.Options = bytes.Clone(p.Data), bytes.Clone(p.IP.Options), bytes.Clone(p.TCP.Options)
	c.Inner = p.Inner.clone()
	return &c
}

func (b *Call) clone() Body { return b.copy() }

func (b *Call) copy() *Call {
	if b == nil {
		return nil
	}
	c := *b
	c.Args, c.Socks = cloneArgs(b.Args), slices.Clone(b.Socks)
	c.Out, c.Aux = b.Out.clone(), b.Aux.clone()
	c.Answers = cloneAnswers(b.Answers)
	c.Path = strings.Clone(b.Path)
	c.Payload = slices.Clone(b.Payload)
	for i := range c.Payload {
		c.Payload[i].Data = bytes.Clone(c.Payload[i].Data)
	}
	return &c
}

func (b *Capture) clone() Body {
	c := *b
	c.Packet = *b.Packet.clone()
	c.Header = bytes.Clone(b.Header)
	c.Answers = cloneAnswers(b.Answers)
	return &c
}

func (b *State) clone() Body {
	c := *b
	if b.Users != nil {
		users := *b.Users
		for i := range users {
			users[i].Task = users[i].Task.Clone()
		}
		c.Users = &users
	}
	return &c
}

func (b *Handover) clone() Body {
	c := *b
	c.From = b.From.Clone()
	return &c
}

func (b *Audit) clone() Body {
	c := *b
	c.Types = cloneStrings(b.Types)
	c.Call = b.Call.copy()
	for _, s := range []*string{&c.AUIDName, &c.UIDName, &c.TTY, &c.Exe, &c.Key, &c.Subject, &c.What} {
		*s = strings.Clone(*s)
	}
	c.Addr = b.Addr.clone()
	return &c
}

func (b *Kernel) clone() Body {
	c := *b
	for _, s := range []*string{&c.Name, &c.Module, &c.Func, &c.Args, &c.Ret, &c.Flags, &c.From, &c.To, &c.Text, &c.Errno, &c.Reason, &c.OnComm} {
		*s = strings.Clone(*s)
	}
	c.Fields = cloneArgs(b.Fields)
	c.Stack, c.UserStack, c.Path = cloneFrames(b.Stack), cloneFrames(b.UserStack), cloneFrames(b.Path)
	return &c
}

func (b *Process) clone() Body {
	c := *b
	c.Exe, c.Cgroup, c.Container = strings.Clone(b.Exe), strings.Clone(b.Cgroup), strings.Clone(b.Container)
	c.Argv = cloneStrings(b.Argv)
	return &c
}

func (b *SockFound) clone() Body {
	c := *b
	c.Path = strings.Clone(b.Path)
	return &c
}

func (b *Name) clone() Body {
	c := *b
	c.Name = strings.Clone(b.Name)
	return &c
}

func (b *Symbol) clone() Body {
	c := *b
	c.Name, c.File = strings.Clone(b.Name), strings.Clone(b.File)
	return &c
}

func (b *Fact) clone() Body {
	return &Fact{Name: strings.Clone(b.Name), Text: strings.Clone(b.Text)}
}

func (b *Note) clone() Body {
	c := *b
	c.Text, c.Fix = strings.Clone(b.Text), strings.Clone(b.Fix)
	return &c
}

func (b *End) clone() Body {
	c := *b
	c.Reason = strings.Clone(b.Reason)
	return &c
}

func (b *Ready) clone() Body   { c := *b; return &c }
func (b *Lost) clone() Body    { c := *b; return &c }
func (b *Clock) clone() Body   { c := *b; return &c }
func (b *Unknown) clone() Body { c := *b; return &c }
