package merge_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/pidwire/pidwire/internal/merge"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// recorded returns an audit record of a call, with line as its text.
func recorded(of wire.Record, serial uint64, at uint64) wire.Record {
	var s wire.Syscall
	s.Unmarshal(of)
	a := wire.Audit{
		H: wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: at}, Serial: serial, Pid: s.Pid, Nr: s.Nr, Abi: s.Abi, Ret: s.Ret, Flags: wire.AuditCall, Text: 8,
	}
	copy(a.Args[:], s.Args[:4])
	if s.Sub != 0 {
		a.Args = [4]uint64{uint64(s.Sub), 0xffff1234}
	}
	return wire.Seal(append(a.Append(nil), "12345678"...))
}

func covers(pid uint32, at uint64) wire.Record {
	a := wire.Audit{H: wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: at}, Pid: pid, Flags: wire.AuditCovers}
	return wire.Seal(a.Append(nil))
}

func upto(at uint64) wire.Record {
	a := wire.Audit{H: wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: at}, Flags: wire.AuditUpto}
	return wire.Seal(a.Append(nil))
}

// audited returns the output of a merger that joins audit records: for a call its exit time, for an
// audit record its serial number, with + if it contains its call.
func audited(t *testing.T, records ...any) (words []string) {
	t.Helper()
	m := merge.New(func(r wire.Record) error {
		switch r.Kind() {
		case wire.KindSyscall:
			words = append(words, fmt.Sprintf("call@%d", r.Time()/ms))
		case wire.KindAudit:
			var a wire.Audit
			a.Unmarshal(r)
			word := fmt.Sprintf("audit%d", a.Serial)
			if a.Flags&wire.AuditMissing != 0 {
				word = "missing"
			}
			if rest := r[wire.SizeAudit+(int(a.Text)+7)&^7:]; len(rest) > 0 {
				var s wire.Syscall
				if !s.Unmarshal(rest) {
					t.Errorf("%s: %d bytes that are no call", word, len(rest))
				}
				word += fmt.Sprintf("+%d", s.H.Time/ms)
			}
			words = append(words, word)
		default:
			words = append(words, fmt.Sprintf("kind%d", r.Kind()))
		}
		return nil
	})
	m.JoinAudit()
	for _, r := range records {
		var err error
		switch r := r.(type) {
		case wire.Record:
			err = m.Add(bytes.Clone(r))
		case uint64:
			err = m.Idle(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	return words
}

func withArgs(r wire.Record, tid uint32, ret int64, args ...uint64) wire.Record {
	var s wire.Syscall
	s.Unmarshal(r)
	s.Tid, s.Ret = tid, ret
	copy(s.Args[:], args)
	return wire.Seal(s.Append(nil))
}

// TestJoinAudit checks that an audit record contains its call and follows it, whichever arrived
// first, and that calls without a record are reported.
func TestJoinAudit(t *testing.T) {
	one := withArgs(call("socket", 1000*ms, 1001*ms), 201, 3, 2, 1)
	two := withArgs(call("socket", 1002*ms, 1003*ms), 202, 4, 2, 1)
	slow := withArgs(call("connect", 900*ms, 1100*ms), 201, -111, 3, 77)
	i386 := wire.Syscall{H: wire.Hdr{Kind: wire.KindSyscall, Time: 1001 * ms}, Enter: 1000 * ms, Pid: 200, Tid: 201, Nr: syscalls.Socketcall, Abi: wire.AbiI386, Sub: 3, Ret: -115, Args: [6]uint64{3, 5, 16}}
	old := wire.Seal(i386.Append(nil))
	interrupted := withArgs(call("recvfrom", 1000*ms, 1001*ms), 201, -512, 3)
	ofInterrupted := recorded(withArgs(interrupted, 201, -4, 3), 9, 1000*ms)
	write := withArgs(call("write", 1000*ms, 1001*ms), 201, 1, 3)
	for name, test := range map[string]struct {
		in   []any
		want []string
	}{
		"the call first":      {[]any{one, recorded(one, 7, 1000*ms)}, []string{"call@1001", "audit7+1001"}},
		"the record first":    {[]any{recorded(one, 7, 1000*ms), one}, []string{"call@1001", "audit7+1001"}},
		"two in order":        {[]any{one, two, recorded(two, 8, 1000*ms), recorded(one, 7, 1000*ms)}, []string{"call@1001", "audit7+1001", "call@1003", "audit8+1003"}},
		"two that are equal":  {[]any{one, one, recorded(one, 7, 1000*ms), recorded(one, 8, 1000*ms)}, []string{"call@1001", "call@1001", "audit7+1001", "audit8+1001"}},
		"of another process":  {[]any{one, recorded(withPID(one, 300), 7, 1000*ms)}, []string{"audit7", "call@1001"}},
		"another result":      {[]any{one, recorded(two, 7, 1000*ms)}, []string{"audit7", "call@1001"}},
		"a call that blocked": {[]any{slow, uint64(1105 * ms), recorded(slow, 7, 900*ms)}, []string{"call@1100", "audit7+1100"}},
		"socketcall":          {[]any{old, recorded(old, 7, 1000*ms)}, []string{"call@1001", "audit7+1001"}},
		"interrupted":         {[]any{interrupted, ofInterrupted}, []string{"call@1001", "audit9+1001"}},
		"missing":             {[]any{covers(200, 999*ms), one, uint64(1200 * ms), upto(1001 * ms), upto(1002 * ms)}, []string{"call@1001", "missing+1001"}},
		"missing while held":  {[]any{covers(200, 999*ms), one, upto(1002 * ms), two, uint64(1200 * ms)}, []string{"call@1001", "missing+1001", "call@1003"}},
		"late, not missing":   {[]any{covers(200, 999*ms), one, uint64(1200 * ms), recorded(one, 7, 1000*ms), upto(1300 * ms)}, []string{"call@1001", "audit7+1001"}},
		"not covered":         {[]any{covers(300, 999*ms), one, uint64(1200 * ms), upto(1300 * ms)}, []string{"call@1001"}},
		"covered later":       {[]any{one, covers(200, 1001*ms), uint64(1200 * ms), upto(1300 * ms)}, []string{"call@1001"}},
		"no call of sockets":  {[]any{covers(200, 999*ms), write, uint64(1200 * ms), upto(1300 * ms)}, []string{"call@1001"}},
		"nothing to tell":     {[]any{covers(200, 999*ms), upto(1300 * ms)}, nil},
	} {
		if got := audited(t, test.in...); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func withPID(r wire.Record, pid uint32) wire.Record {
	var s wire.Syscall
	s.Unmarshal(r)
	s.Pid = pid
	return wire.Seal(s.Append(nil))
}

// TestJoinAuditBounded checks that calls without records are not kept indefinitely.
func TestJoinAuditBounded(t *testing.T) {
	n, missing := 0, 0
	m := merge.New(func(r wire.Record) error {
		if r.Kind() == wire.KindAudit {
			missing++
		}
		n++
		return nil
	})
	m.JoinAudit()
	_ = m.Add(covers(200, 1))
	const calls = 10_000
	for i := range uint64(calls) {
		at := (1000 + i) * ms
		if err := m.Add(withArgs(call("socket", at, at), 201, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Idle(20_000 * ms); err != nil {
		t.Fatal(err)
	}
	if err := m.Add(upto(19_000 * ms)); err != nil {
		t.Fatal(err)
	}
	if n != calls+missing || missing == 0 || missing > 4096 {
		t.Errorf("%d records, of them %d that say that one is missing", n, missing)
	}
}

// TestAuditDamaged checks that a truncated audit record is passed on unchanged.
func TestAuditDamaged(t *testing.T) {
	one := call("socket", 1000*ms, 1001*ms)
	whole := recorded(one, 7, 1000*ms)
	for n := wire.SizeHdr; n < wire.SizeAudit; n += 8 {
		cut := bytes.Clone(whole[:n])
		cut[0], cut[1] = byte(n), byte(n>>8)
		m := merge.New(func(wire.Record) error { return nil })
		m.JoinAudit()
		if err := m.Add(wire.Record(cut)); err != nil {
			t.Fatal(err)
		}
		if err := m.Add(one); err != nil {
			t.Fatal(err)
		}
		if err := m.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAuditLeaves checks that an audit record that has been emitted is not joined to a later call,
// in whatever order records with the same key were emitted: its memory has been reused.
func TestAuditLeaves(t *testing.T) {
	c := call("socket", 900*ms, 901*ms)
	late := call("socket", 1199*ms, 1200*ms)
	// The second to arrive is emitted first.
	got := audited(t, recorded(c, 1, 1040*ms), recorded(c, 2, 1010*ms),
		packet(1070*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0), // the second has been emitted, the first is held
		recorded(c, 3, 1071*ms), packet(1140*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0), late)
	if want := []string{"audit2", "audit1", "audit3", "call@1200"}; !slices.Equal(slices.DeleteFunc(got, func(w string) bool { return w == "kind11" }), want) {
		t.Errorf("%v, want %v", got, want)
	}
}
