package replay_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/source/sourcetest"
	"github.com/pidwire/pidwire/internal/wire"
)

const mono = 5_000_000_000

var header = wire.Header{Version: wire.WireVersion, Arch: "amd64", StrLen: 32, Mono: mono, Wall: 1_700_000_000_000_000_000}

func attr(tag uint16, s string) []byte { return wire.AppendAttr(nil, tag, s) }

// recording returns a recording with a record of every kind, and blocks records per block.
func recording(t *testing.T, blocks int, ended bool) (file []byte, recs []wire.Record) {
	t.Helper()
	hdr := func(kind uint16, n uint64) wire.Hdr {
		return wire.Hdr{Kind: kind, Layer: wire.LayerSys, Time: mono + n*1000}
	}
	exe, path, name, text := attr(wire.TagExe, "/usr/bin/curl"), attr(wire.TagName, "/run/x"), attr(wire.TagName, "alice"), attr(wire.TagText, "hello")
	proc := wire.Proc{H: hdr(wire.KindProc, 1), Pid: 42, Tid: 42, What: wire.ProcFound, Attrs: uint16(len(exe))}
	snap := wire.Socksnap{H: hdr(wire.KindSock, 2), Pid: 42, Attrs: uint16(len(path))}
	sock := wire.Sock{Ino: 4711, Fd: 3, Family: 2, Type: 1, Protocol: 6}
	user := wire.Name{H: hdr(wire.KindName, 3), Id: 1000, What: wire.NameUser, Attrs: uint16(len(name))}
	note := wire.Note{H: hdr(wire.KindNote, 4), Level: wire.NoteInfo, Attrs: uint16(len(text))}
	chunks := wire.AppendChunk(nil, wire.Chunk{Addr: 0x1000}, []byte("ping"))
	call := wire.Syscall{
		H: hdr(wire.KindSyscall, 6), Enter: mono + 5000, Ret: 4, Args: [6]uint64{3, 0x1000, 4}, Pid: 42, Tid: 42, Nr: 1, Abi: wire.AbiX8664,
		Nsock: 1, Chunks: uint32(len(chunks)),
	}
	uring := wire.Uring{H: hdr(wire.KindUring, 7), Enter: mono + 6500, Pid: 42, Tid: 42, Opcode: 26}
	clock := wire.Clock{H: hdr(wire.KindClock, 8), Mono: mono + 8000, Wall: header.Wall + 8000}
	lost := wire.Lost{H: hdr(wire.KindLost, 9), Count: 3, Reason: wire.LostRing}
	end := wire.End{H: hdr(wire.KindEnd, 10), Reason: wire.EndDetached}
	recs = []wire.Record{
		wire.Seal(append(proc.Append(nil), exe...)),
		wire.Seal(append(sock.Append(snap.Append(nil)), path...)),
		wire.Seal(append(user.Append(nil), name...)),
		wire.Seal(append(note.Append(nil), text...)),
		wire.Seal(append(sock.Append(call.Append(nil)), chunks...)),
		wire.Seal(uring.Append(nil)),
		wire.Seal(clock.Append(nil)),
		wire.Seal(lost.Append(nil)),
	}
	if ended {
		recs = append(recs, wire.Seal(end.Append(nil)))
	}
	var b bytes.Buffer
	w, err := wire.NewWriter(&b, header)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
		if i%blocks == blocks-1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), recs
}

func TestContract(t *testing.T) {
	file, _ := recording(t, 2, true)
	sourcetest.Run(t, sourcetest.Options{New: func(t *testing.T) sourcetest.Source {
		s, err := replay.New(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}

func run(t *testing.T, file []byte) (recs []wire.Record, idle int, err error) {
	t.Helper()
	s, err := replay.New(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(context.Background(), func(r wire.Record) error {
		if r == nil {
			idle++
		} else {
			recs = append(recs, bytes.Clone(r))
		}
		return nil
	})
	return recs, idle, err
}

func TestEnds(t *testing.T) {
	whole, all := recording(t, 3, true)
	open, _ := recording(t, 3, false)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-1] ^= 1
	var cut *wire.CutError
	var damage *wire.DamageError
	for _, c := range []struct {
		name string
		file []byte
		recs int
		ok   func(error) bool
	}{
		{"whole", whole, 9, func(err error) bool { return err == nil }},
		{"killed between blocks", open, 8, func(err error) bool { return errors.Is(err, replay.ErrNotClosed) }},
		{"killed inside a block", whole[:len(whole)-3], 8, func(err error) bool { return errors.As(err, &cut) }},
		{"damaged", damaged, 6, func(err error) bool { return errors.As(err, &damage) }},
	} {
		recs, idle, err := run(t, c.file)
		if len(recs) != c.recs || !c.ok(err) || idle == 0 {
			t.Errorf("%s: %d records, want %d; idle %d times; %v", c.name, len(recs), c.recs, idle, err)
		}
		for i, r := range recs {
			if !bytes.Equal(r, all[i]) {
				t.Errorf("%s: record %d is another", c.name, i)
			}
		}
	}
	s, err := replay.New(bytes.NewReader(whole))
	if err != nil || s.Header().Wall != header.Wall || s.Header().Arch != header.Arch {
		t.Errorf("header %+v, %v", s.Header(), err)
	}
	if _, err := replay.New(bytes.NewReader([]byte("something else"))); !errors.Is(err, wire.ErrNotRecording) {
		t.Errorf("no recording: %v", err)
	}
}

// TestIdleError checks that an error of a sink at the end is reported.
func TestIdleError(t *testing.T) {
	full := errors.New("no space left on device")
	whole, _ := recording(t, 3, true)
	for _, file := range [][]byte{whole, whole[:len(whole)-3]} {
		s, err := replay.New(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(context.Background(), func(r wire.Record) error {
			if r == nil {
				return full
			}
			return nil
		}); !errors.Is(err, full) {
			t.Errorf("an error at the end: %v", err)
		}
	}
}

// TestUnknownKinds checks that records of unknown kinds are counted, reported once before the end,
// and not passed on.
func TestUnknownKinds(t *testing.T) {
	var b bytes.Buffer
	w, err := wire.NewWriter(&b, header)
	if err != nil {
		t.Fatal(err)
	}
	put := func(kind uint16, n int) {
		for range n {
			h := wire.Hdr{Kind: kind, Time: mono + 5}
			if err := w.Write(wire.Seal(append(h.Append(nil), 1, 2, 3))); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(77, 3)
	put(500, 1)
	put(77, 1)
	end := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: mono + 10}, Reason: wire.EndDetached}
	if err := errors.Join(w.Write(wire.Seal(end.Append(nil))), w.Flush()); err != nil {
		t.Fatal(err)
	}
	recs, _, err := run(t, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) != 2 || recs[0].Kind() != wire.KindNote || recs[1].Kind() != wire.KindEnd {
		t.Fatalf("%d records: %v", len(recs), recs)
	}
	text := string(wire.AttrOf(recs[0][wire.SizeNote:], wire.TagText))
	if text != "skipped records of unknown kinds: 4 of kind 77, 1 of kind 500" {
		t.Errorf("%q", text)
	}
}
