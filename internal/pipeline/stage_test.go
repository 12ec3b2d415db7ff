package pipeline

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/stage"
)

// around is a stage that inserts notes before and after each entry, and one before the end.
type around struct{ name string }

func (a around) Add(e *event.Entry, emit func(*event.Entry)) {
	note := func(text string) {
		emit(&event.Entry{Event: event.Event{Seq: e.Seq, Body: &event.Note{Text: a.name + text}}})
	}
	if _, last := e.Body.(*event.End); last {
		note("late")
		emit(e)
		return
	}
	if _, ours := e.Body.(*event.Note); ours {
		emit(e)
		return
	}
	note("<")
	emit(e)
	note(">")
}

// TestStages checks that entries of stages are in the right places, that the filter gets
// them, and that delayed entries come before the end, also if the source emits none.
func TestStages(t *testing.T) {
	word := func(e *event.Entry) string {
		switch b := e.Body.(type) {
		case *event.Note:
			return fmt.Sprint(b.Text, e.Seq)
		case *event.End:
			return "end"
		}
		return fmt.Sprint("call", e.Seq)
	}
	for _, test := range []struct {
		name  string
		keep  func(*event.Entry) bool
		files int
		said  bool
		want  []string
		lists []int // indexes of entries for files only
	}{
		{"all", nil, 0, true, []string{"a<1", "b<1", "call1", "b>1", "a>1", "a<2", "b<2", "call2", "b>2", "a>2", "alate3", "blate3", "end"}, nil},
		{"no end", nil, 0, false, []string{"a<1", "b<1", "call1", "b>1", "a>1", "a<2", "b<2", "call2", "b>2", "a>2", "alate0", "blate0"}, nil},
		{"no calls", func(e *event.Entry) bool { _, is := e.Body.(*event.Note); return is }, 0, true,
			[]string{"a<1", "b<1", "b>1", "a>1", "a<2", "b<2", "b>2", "a>2", "alate3", "blate3", "end"}, nil},
		{"calls for files", func(e *event.Entry) bool { _, is := e.Body.(*event.Note); return is }, 1, true,
			[]string{"a<1", "b<1", "call1", "b>1", "a>1", "a<2", "b<2", "call2", "b>2", "a>2", "alate3", "blate3", "end"}, []int{2, 7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &run{Config: Config{Keep: test.keep, Files: test.files}}
			o := &outlet{run: p, stop: func() {}}
			pass := stage.Chain([]stage.Stage{around{"a"}, around{"b"}}, o.take)
			b := &batch{}
			for seq := uint64(1); seq <= 2; seq++ {
				e := o.begin(b)
				e.Seq, e.Body = seq, &event.Call{}
				pass(e)
				o.end()
			}
			if test.said {
				p.end = event.Entry{Event: event.Event{Seq: 3, Body: &event.End{Reason: "over"}}}
			}
			var got []string
			for _, list := range [][]event.Entry{b.list, o.last(pass, nil).list} {
				for i := range list {
					got = append(got, word(&list[i]))
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("\n got %v\nwant %v", got, test.want)
			}
			if !reflect.DeepEqual(b.files, test.lists) {
				t.Errorf("for files: %v, want %v", b.files, test.lists)
			}
			if test.said != (p.res.Reason == "over") {
				t.Errorf("the reason is %q", p.res.Reason)
			}
		})
	}
}
