package jsonl

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// said writes a message: what it is in "message", and its fields under their own names.
func (s *Sink) said(m *event.Message) {
	s.raw(`,"message":{"kind":"`).raw(m.Kind.String())
	if m.Dir == event.DirOut || m.Dir == event.DirIn {
		s.raw(`","direction":"`).raw(m.Dir.String())
	}
	s.raw(`","text":`).str(m.Text)
	switch m.Part {
	case event.Head:
		s.raw(`,"part":"head"`)
	case event.Rest:
		s.raw(`,"part":"rest"`)
	}
	s.raw(`,"bytes":`).int(m.Bytes)
	s.raw(`,"begin_ns":`).int(m.Begin - s.o.Start).raw(`,"end_ns":`).int(m.End - s.o.Start)
	if m.Exchange != 0 {
		s.raw(`,"exchange":`).uint(m.Exchange)
	}
	if m.Group != "" {
		s.raw(`,"group":`).str(m.Group)
	}
	if m.Timed() {
		s.raw(`,"duration_ns":`).int(m.Took)
		if m.Slack != 0 {
			s.raw(`,"duration_slack_ns":`).int(m.Slack)
		}
	}
	if m.Budget != nil {
		s.raw(`,"budget_ns":{`)
		sep := `"`
		for share, n := range m.Budget {
			if n != 0 {
				s.raw(sep).raw(event.Share(share).String()).raw(`":`).int(n)
				sep = `,"`
			}
		}
		s.raw("}")
	}
	if m.Resent != 0 {
		s.raw(`,"retransmit_ns":`).int(m.Resent)
	}
	if m.Shut != 0 {
		s.raw(`,"zero_window_ns":`).int(m.Shut)
	}
	if m.Unsure != "" {
		s.raw(`,"uncertain":`).str(m.Unsure)
	}
	if m.Reason != "" {
		s.raw(`,"reason":`).str(m.Reason)
	}
	s.raw("}")
	if m.Error != "" {
		s.raw(`,"error":{"type":`).str(m.Error).raw("}")
	}
	s.fields(m)
}

// protocolVersion is a field that is in the object network, which identity writes.
const protocolVersion = "network.protocol.version"

// fields writes the fields of a message as nested objects. Those of protocols do not begin with the names of
// objects that identity writes, except for network.protocol.
func (s *Sink) fields(m *event.Message) {
	list := make([]*event.Field, 0, 16)
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Name != protocolVersion {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b *event.Field) int { return cmp.Compare(a.Name, b.Name) })
	open := ""
	for i := 0; i < len(list); i++ {
		f := list[i]
		object, name := "", f.Name
		if j := strings.LastIndexByte(name, '.'); j >= 0 {
			object, name = name[:j], name[j+1:]
		}
		s.path(open, object)
		s.comma()
		open = object
		s.raw(`"`).raw(name).raw(`":`)
		if !f.Many {
			s.value(f)
			continue
		}
		s.raw("[")
		for j := i; j < len(list) && list[j].Key == f.Key; j++ {
			if j > i {
				s.raw(",")
			}
			s.value(list[j])
			i = j
		}
		s.raw("]")
	}
	s.path(open, "")
}

// path closes and opens objects, from one path to another.
func (s *Sink) path(from, to string) {
	var a, b []string
	if from != "" {
		a = strings.Split(from, ".")
	}
	if to != "" {
		b = strings.Split(to, ".")
	}
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	for range len(a) - same {
		s.raw("}")
	}
	for _, name := range b[same:] {
		s.comma()
		s.raw(`"`).raw(name).raw(`":{`)
	}
}

// comma separates a value from the one before it.
func (s *Sink) comma() {
	if c := s.b[len(s.b)-1]; c != '{' && c != '[' {
		s.raw(",")
	}
}

func (s *Sink) value(f *event.Field) {
	switch {
	case f.Form == event.FormBool:
		s.bool(f.Num != 0)
	case f.Form.Number():
		s.int(f.Num)
	default:
		s.str(f.Text)
	}
}

// protocol writes the object protocol in network.
func (s *Sink) protocol(m *event.Message) {
	s.raw(`"protocol":{"name":"`).raw(m.Proto).raw(`"`)
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Name == protocolVersion {
			s.raw(`,"version":`).str(f.Text)
		}
	}
	s.raw("}")
}
