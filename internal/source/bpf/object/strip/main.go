// Command strip removes from BPF objects what is not needed to load them: the line information (.BTF.ext, see
// Documentation/bpf/btf.rst), and the relocations by which a linker of BPF objects would move it. That is half of
// each object, of the memory it takes to read them, and of the time it takes the kernel to load the largest. What
// is lost is the source line in front of each instruction in the verifier's log.
//
//	strip FILE...
//
// It needs llvm-objcopy.
package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	for _, file := range os.Args[1:] {
		if err := strip(file); err != nil {
			fmt.Fprintf(os.Stderr, "strip: %s: %v\n", file, err)
			os.Exit(1)
		}
	}
}

const section = ".BTF.ext"

func strip(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	s := f.Section(section)
	if s == nil {
		return fmt.Errorf("no section %s", section)
	}
	ext, err := s.Data()
	if err != nil {
		return err
	}
	if ext, err = withoutLines(ext); err != nil {
		return fmt.Errorf("section %s: %w", section, err)
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	content := filepath.Join(dir, "ext")
	if err := os.WriteFile(content, ext, 0o600); err != nil {
		return err
	}
	// The sections are removed first: objcopy does not update one that others refer to.
	for _, args := range [][]string{
		{"--remove-section=.rel" + section, "--remove-section=.rel.BTF"},
		{"--update-section=" + section + "=" + content},
	} {
		if out, err := exec.Command("llvm-objcopy", append(args, file)...).CombinedOutput(); err != nil {
			return fmt.Errorf("llvm-objcopy %s: %w: %s", args, err, out)
		}
	}
	return nil
}

// header is struct btf_ext_header. Offsets count from its end, in bytes.
type header struct {
	Magic            uint16
	Version, Flags   uint8
	Len              uint32
	FuncOff, FuncLen uint32
	LineOff, LineLen uint32
	CoreOff, CoreLen uint32
}

// recordSize is the length of the field in front of the records of each kind, their size, which has to be there.
const recordSize = 4

// withoutLines returns a copy of the section that has no records of lines.
func withoutLines(ext []byte) ([]byte, error) {
	var h header
	if err := binary.Read(bytes.NewReader(ext), binary.LittleEndian, &h); err != nil {
		return nil, err
	}
	part := func(off, n uint32) ([]byte, error) {
		from := uint64(h.Len) + uint64(off)
		if from+uint64(n) > uint64(len(ext)) {
			return nil, fmt.Errorf("%d bytes at %d are outside of it", n, from)
		}
		return ext[from : from+uint64(n)], nil
	}
	funcs, err := part(h.FuncOff, h.FuncLen)
	if err != nil {
		return nil, err
	}
	lines, err := part(h.LineOff, min(h.LineLen, recordSize))
	if err != nil {
		return nil, err
	}
	core, err := part(h.CoreOff, h.CoreLen)
	if err != nil {
		return nil, err
	}
	h.Len = uint32(binary.Size(h))
	h.FuncOff = 0
	h.LineOff, h.LineLen = h.FuncLen, uint32(len(lines))
	h.CoreOff = h.LineOff + h.LineLen
	out, err := binary.Append(nil, binary.LittleEndian, &h)
	if err != nil {
		return nil, err
	}
	return append(append(append(out, funcs...), lines...), core...), nil
}
