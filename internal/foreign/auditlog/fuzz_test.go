package auditlog_test

import (
	"bytes"
	"testing"

	. "github.com/pidwire/pidwire/internal/foreign/auditlog"
)

// maxRecord is the length to which records are truncated.
const maxRecord = 16 << 10

func FuzzRead(f *testing.F) {
	for _, file := range logs {
		for i, line := range lines(f, file) {
			if i%3 == 0 {
				f.Add([]byte(line))
			}
		}
	}
	for _, line := range []string{
		"----", "time->Thu Mar 26 08:01:30 2009", "[ 4939.136084] audit: type=1300 audit(1795617198.656:559): arch=c000003e",
		"node=n type=SYSCALL msg=audit(03/04/2009 08:01:30.962:157574) : arch=i386 syscall=socketcall(connect) exit=EINPROGRESS(Operation now in progress) a0=connect a1=0xff918ea4 auid=unset uid=unknown(5) comm=a b exe=/x (deleted) subj==a (enforce) key=net key=dns",
		"type=SYSCALL msg=audit(26.03.09 08:01:30.962:1) : arch=unknown-elf-type(c00000f3) syscall=unknown-syscall(5) exit=(null)(Unknown error 512) a0=-5",
		"type=SOCKADDR msg=audit(03/26/2009 08:01:30.962:157574) : saddr={ saddr_fam=inet6 laddr=fe80::1%3 lport=5222 }",
		"type=SOCKADDR msg=audit(03/26/2009 08:01:30.962:157574) : saddr=local /run/x",
		"type=PROCTITLE msg=audit(11/25/2026 14:10:01.236:3) : proctitle=auditctl -l",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var r Record
		kind := Read(line, &r)
		for rest := r.Fields; len(rest) > 0; {
			before := len(rest)
			var k, v []byte
			k, v, rest = Next(rest)
			if len(rest) >= before || len(k)+len(v)+len(rest) > before {
				t.Fatalf("%q: Next makes no headway", line)
			}
			Text(v)
			if addr, ok := Address(nil, v); len(addr) > len(v)+28 || !ok && len(addr) > 0 {
				t.Fatalf("%q is an address of %d bytes, %v", v, len(addr), ok)
			}
		}
		parsed, ok := Parse(bytes.TrimRight(line, "\r\n"))
		if ok != (kind == Raw) || ok && !same(parsed, r) {
			t.Fatalf("%q: Parse %+v, Read %d %+v", line, parsed, kind, r)
		}
		if kind < Raw {
			if !same(r, Record{}) {
				t.Fatalf("%q: kind %d leaves %+v", line, kind, r)
			}
			return
		}
		if r.Milli < 0 || r.Milli > 999 || r.Sec < 0 || r.Wall() < 0 || (kind == Interpreted) != r.Interpreted {
			t.Fatalf("%q: kind %d, %+v", line, kind, r)
		}
		raw := r.AppendRaw(nil, names)
		if len(raw) > 4*maxRecord {
			t.Fatalf("%q: %d bytes as raw", line, len(raw))
		}
		var again Record
		if Read(raw, &again) != Raw || again.Type != r.Type || again.Wall() != r.Wall() || again.Serial != r.Serial || !bytes.Equal(again.Node, r.Node) {
			t.Fatalf("%q:\nraw %q\n%+v\n%+v", line, raw, r, again)
		}
		if len(raw) <= maxRecord && kind != Interpreted && !bytes.Equal(again.Fields, bytes.TrimRight(r.Fields, "\r\n")) {
			t.Fatalf("%q:\nfields %q\nagain  %q", line, r.Fields, again.Fields)
		}
		var a Assembler
		n := 0
		count := func(e *Event) error { n += e.N; return nil }
		if a.Add(&r, raw, count) != nil || a.Flush(count) != nil || n != 1 && r.Type != EOE && len(raw) < maxRecord {
			t.Fatalf("%q: %d records come out", line, n)
		}
	})
}

// FuzzAssembler checks that each record is emitted once, in any order.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 250, 251, 4})
	f.Fuzz(func(t *testing.T, ops []byte) {
		ops = ops[:min(len(ops), 2000)]
		kinds := []string{"SYSCALL", "SOCKADDR", "PATH", "EOE", "USER_LOGIN", "LOGIN", "PROCTITLE"}
		a := assembly{t: t}
		in, ms := 0, 0
		for i, op := range ops {
			if op >= 250 {
				ms += int(op-249) * 500
				continue
			}
			kind := kinds[int(op)%len(kinds)]
			if kind != "EOE" {
				in++
			}
			a.add([]string{"", "node=a "}[i%5/4] + rec(kind, int(op/8)+int(op)*(i/100), ms))
		}
		if err := a.Flush(a.done); err != nil || a.Open() != 0 {
			t.Fatal(err, a.Open())
		}
		out := 0
		for _, e := range a.all {
			out += e.N
		}
		if uint64(out)+a.Cut != uint64(in) {
			t.Fatalf("%d records in, %d out, %d cut", in, out, a.Cut)
		}
	})
}

// longLog returns a log of n records with 64 events per second.
func longLog(t testing.TB, n int) []byte {
	var log []byte
	models := lines(t, "kernel-6.18.log")
	shift := int64(0)
	for i := 0; i < n; i++ {
		if i%len(models) == 0 && i > 0 {
			shift++
		}
		r, ok := Parse([]byte(models[i%len(models)]))
		if !ok {
			t.Fatal(models[i%len(models)])
		}
		r.Serial += uint64(shift) * 1000
		r.Sec += shift
		log = append(r.AppendRaw(log, nil), '\n')
	}
	return log
}

func BenchmarkReadAssemble(b *testing.B) {
	const n = 100_000
	log := longLog(b, n)
	var a Assembler
	var r Record
	done := func(*Event) error { return nil }
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := log; len(rest) > 0; {
			i := bytes.IndexByte(rest, '\n')
			if Read(rest[:i], &r) != Raw || a.Add(&r, rest[:i], done) != nil {
				b.Fatalf("%q", rest[:i])
			}
			rest = rest[i+1:]
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkFields(b *testing.B) {
	line := []byte(lines(b, emulator)[0])
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		r, _ := Parse(line)
		for rest := r.Fields; len(rest) > 0; {
			_, _, rest = Next(rest)
		}
	}
}

func BenchmarkInterpreted(b *testing.B) {
	line := []byte("type=SYSCALL msg=audit(03/26/2009 08:01:30.962:157574) : arch=i386 syscall=socketcall(connect) success=no exit=EINPROGRESS(Operation now in progress) a0=connect a1=0xff918ea4 a2=0xab8ce88 a3=0x2000 items=0 ppid=9743 pid=9744 auid=unset uid=s3op2 gid=users tty=pts61 ses=unset comm=emulator exe=/data/s3op2/bin/emulator key=emulator ")
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var raw []byte
	var r Record
	for b.Loop() {
		if Read(line, &r) != Interpreted {
			b.Fatal(r)
		}
		raw = r.AppendRaw(raw[:0], nil)
	}
}
