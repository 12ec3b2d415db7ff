package ktrace

import (
	"bytes"
	"testing"
)

// FuzzRead parses lines. The result must survive Append and Parse, and Is and a Reader must agree on the
// format.
func FuzzRead(f *testing.F) {
	for _, c := range notations {
		f.Add([]byte(c.in))
	}
	for _, file := range transcripts(f) {
		b := readFile(f, file)
		f.Add(b[:min(len(b), 4096)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Reader
		var l, l2, alone Line
		var out []byte
		for _, line := range bytes.Split(b, []byte("\n")) {
			err := r.Read(line, &l)
			if err != nil && (l.Kind != Unknown || !bytes.Equal(l.Text, line) || l.Format != 0) || err == nil && l.Kind == Unknown {
				t.Fatalf("%q: %v %s", line, err, Append(nil, &l))
			}
			if l.Depth < 0 || l.Dur < 0 || l.CPU < -1 || l.CPU > maxCPU || l.Bytes < -1 || len(l.Comm) > maxComm || r.used > maxMemory {
				t.Fatalf("%q: %+v", line, l)
			}
			if is := Is(line); is != 0 {
				var fresh Reader
				if err := fresh.Read(line, &alone); err != nil || alone.Format != is {
					t.Fatalf("%q: Is says %v, and Read %v %s", line, is, err, Append(nil, &alone))
				}
			}
			if err == ErrTooLong {
				continue
			}
			out = Append(out[:0], &l)
			if err := Parse(out, &l2); err != nil || !equal(&l, &l2) {
				t.Fatalf("%q: carried as %q: %v", line, out, err)
			}
			if bytes.IndexByte(out, '\n') >= 0 {
				t.Fatalf("%q: carried as %q", line, out)
			}
		}
	})
}

// FuzzParse parses lines of Append. The result must survive another Append and Parse.
func FuzzParse(f *testing.F) {
	var l Line
	for _, c := range notations {
		var r Reader
		r.Read([]byte(c.in), &l)
		f.Add(Append(nil, &l))
	}
	f.Add([]byte(`ftrace leave depth=7 name=f module=m func=g args="a=\"b\\c\"" ret="" dur=5 local=1.2.3.4:5 peer=[::1]:0 dir=in bytes=0 flags=SYN old=a new="b c" count=1 text="\x00"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l, l2 Line
		if Parse(b, &l) != nil {
			return
		}
		out := Append(nil, &l)
		if err := Parse(out, &l2); err != nil || !equal(&l, &l2) {
			t.Fatalf("%q: carried as %q: %v", b, out, err)
		}
		if again := Append(nil, &l2); !bytes.Equal(out, again) {
			t.Fatalf("%q: carried as %q and then as %q", b, out, again)
		}
	})
}
