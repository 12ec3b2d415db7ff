package event_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
)

// static are the string types whose values are in our own tables: a clone shares them.
var static = map[string]bool{
	"Call.Name": true, "Call.Via": true, "Call.Errno": true, "Arg.Name": true, "Token.Name": true, "Lost.Reason": true, "Audit.AddrRole": true,
	"Message.Proto": true, "Message.Title": true, "Message.Unsure": true, "Message.Reason": true, "Verdict.Cause": true,
}

// shared reports whether a clone shares the data of a field of this type.
func shared(t reflect.Type) bool {
	return t == reflect.TypeFor[*event.Conn]() || t == reflect.TypeFor[*event.Table]() || t == reflect.TypeFor[*event.Key]()
}

// fill sets every string, slice and pointer in v, visiting each type once.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		b := []byte("memory of a batch")
		v.SetString(unsafe.String(&b[0], len(b)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), depth)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth)
		}
	case reflect.Pointer:
		if depth < 4 && !shared(v.Type()) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f, depth)
			}
		}
	case reflect.Uint8:
		v.SetUint(7)
	}
}

// compare checks that a and b share no memory.
func compare(t *testing.T, where, field string, a, b reflect.Value) {
	t.Helper()
	same := false
	switch a.Kind() {
	case reflect.String:
		same = a.Len() > 0 && !static[field] && unsafe.StringData(a.String()) == unsafe.StringData(b.String())
	case reflect.Slice:
		same = a.Len() > 0 && a.Pointer() == b.Pointer()
		for i := range a.Len() {
			compare(t, where, field, a.Index(i), b.Index(i))
		}
	case reflect.Array:
		for i := range a.Len() {
			compare(t, where, field, a.Index(i), b.Index(i))
		}
	case reflect.Interface:
		if !a.IsNil() {
			compare(t, where, field, a.Elem(), b.Elem())
		}
	case reflect.Pointer:
		if a.IsNil() || shared(a.Type()) {
			return
		}
		same = a.Pointer() == b.Pointer()
		compare(t, where, field, a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			name := a.Type().Name() + "." + a.Type().Field(i).Name
			compare(t, where, name, a.Field(i), b.Field(i))
		}
	}
	if same {
		t.Errorf("%s: the clone shares %s", where, field)
	}
}

// TestClone checks that a clone is equal to the original and shares no memory that is reused. New
// fields are included automatically.
func TestClone(t *testing.T) {
	visitor := reflect.TypeFor[event.Visitor]()
	for i := range visitor.NumMethod() {
		body := reflect.New(visitor.Method(i).Type.In(1).Elem())
		fill(body.Elem(), 0)
		e := event.Entry{Conn: &event.Conn{N: 1}, Others: []*event.Conn{{N: 2}}}
		fill(reflect.ValueOf(&e.Event).Elem(), 0)
		fill(reflect.ValueOf(&e.User).Elem(), 0)
		e.Body = body.Interface().(event.Body)
		c := e.Clone()
		if !reflect.DeepEqual(c, &e) {
			t.Errorf("%T: %+v is not %+v", e.Body, c, &e)
		}
		compare(t, visitor.Method(i).Name, "", reflect.ValueOf(&e), reflect.ValueOf(c))
		if empty := (&event.Entry{Event: event.Event{Body: reflect.New(body.Type().Elem()).Interface().(event.Body)}}); !reflect.DeepEqual(empty.Clone(), empty) {
			t.Errorf("%T: an empty one is not equal", e.Body)
		}
	}
	if e := (&event.Entry{}); !reflect.DeepEqual(e.Clone(), e) {
		t.Error("an entry without a body is not equal")
	}
}

func BenchmarkClone(b *testing.B) {
	e := event.Entry{Event: event.Event{Body: &event.Capture{Packet: event.Packet{Data: make([]byte, 1500)}}}}
	b.ReportAllocs()
	for b.Loop() {
		_ = e.Clone()
	}
}
