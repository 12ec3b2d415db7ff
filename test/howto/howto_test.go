// Package howto applies the HOWTO documents to a copy of the tree.
package howto

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// block is a fenced block of a document. "```go FILE", "```c FILE" or "```talk FILE" is a new file, "```diff FILE"
// a change, "```sh" commands.
type block struct {
	what, file string
	text       string
	line       int
}

// blocks returns the blocks of a document.
func blocks(document string) (list []block, err error) {
	var cur *block
	n := 0
	for line := range strings.Lines(document) {
		n++
		info, fence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case !fence && cur != nil:
			cur.text += line
		case !fence:
		case cur != nil:
			list, cur = append(list, *cur), nil
		default:
			what, file, _ := strings.Cut(info, " ")
			cur = &block{what: what, file: file, line: n}
		}
	}
	if cur != nil {
		return nil, fmt.Errorf("line %d: the block has no end", cur.line)
	}
	return list, nil
}

// change applies a diff without line numbers. Its context and removed lines must occur once in
// text.
func change(text, diff string) (string, error) {
	var before, after strings.Builder
	for line := range strings.Lines(diff) {
		switch line[0] {
		case ' ':
			before.WriteString(line[1:])
			after.WriteString(line[1:])
		case '-':
			before.WriteString(line[1:])
		case '+':
			after.WriteString(line[1:])
		default:
			return "", fmt.Errorf("a line of a diff begins with %q", line[0])
		}
	}
	if n := strings.Count(text, before.String()); n != 1 || before.Len() == 0 {
		return "", fmt.Errorf("these lines stand there %d times:\n%s", n, &before)
	}
	return strings.Replace(text, before.String(), after.String(), 1), nil
}

// follow does what the block says.
func (b *block) follow(dir string) error {
	path := filepath.Join(dir, b.file)
	switch b.what {
	case "go", "c", "talk":
		if _, err := os.Stat(path); err == nil {
			return fmt.Errorf("%s is there already", b.file)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(b.text), 0o644)
	case "diff":
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		now, err := change(string(old), b.text)
		if err != nil {
			return fmt.Errorf("%s: %w", b.file, err)
		}
		return os.WriteFile(path, []byte(now), 0o644)
	case "sh":
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", b.text)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath") // unchanged packages are compiled once for all copies
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	return fmt.Errorf("nobody knows what to do with a block of %q", b.what)
}

// TestHowtos applies each document to a fresh copy of the tree. The result must build and pass the
// commands of the document.
func TestHowtos(t *testing.T) {
	if os.Geteuid() != 0 && os.Getenv("PIDWIRE_MUST") != "" {
		t.Fatal("PIDWIRE_MUST is set, and this is not root")
	}
	documents, err := filepath.Glob(root + "/docs/HOWTO-add-*.md")
	if err != nil || len(documents) < 5 {
		t.Fatalf("%d documents: %v", len(documents), err)
	}
	for _, path := range documents {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			list, err := blocks(string(text))
			if err != nil {
				t.Fatal(err)
			}
			kinds := map[string]int{}
			for _, b := range list {
				kinds[b.what]++
			}
			if kinds["diff"] == 0 || kinds["sh"] == 0 {
				t.Fatalf("it says neither what to change nor how to try it: %v", kinds)
			}
			dir := t.TempDir()
			copyTree(t, dir)
			for i := range list {
				if err := list[i].follow(dir); err != nil {
					t.Fatalf("%s:%d: %v", path, list[i].line, err)
				}
			}
			for _, check := range []string{`test -z "$(gofmt -l .)"`, "go build ./..."} {
				if err := (&block{what: "sh", text: check}).follow(dir); err != nil {
					t.Errorf("%s: %v", check, err)
				}
			}
		})
	}
}

// copyTree copies the files of a checkout.
func copyTree(t *testing.T, to string) {
	t.Helper()
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(files) < 500 {
		t.Fatalf("only %d files", len(files))
	}
	for _, f := range files {
		from := filepath.Join(root, f)
		info, err := os.Lstat(from)
		if os.IsNotExist(err) {
			continue // deleted, but not committed
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if info.Mode()&os.ModeSymlink != 0 {
			target, err := os.Readlink(from)
			if err == nil {
				err = os.Symlink(target, path)
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(path, b, info.Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestBlocks checks that a document whose blocks do not apply is an error.
func TestBlocks(t *testing.T) {
	list, err := blocks("text\n```go a/b.go\npackage b\n```\nmore\n```diff a/b.go\n package b\n+\n+var x int\n```\n```sh\ntrue\n```\n")
	if err != nil || len(list) != 3 || list[0].file != "a/b.go" || list[2].text != "true\n" || list[1].line != 6 {
		t.Fatalf("%+v, %v", list, err)
	}
	dir := t.TempDir()
	for i := range list {
		if err := list[i].follow(dir); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(dir + "/a/b.go"); !bytes.Equal(b, []byte("package b\n\nvar x int\n")) {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := blocks("```sh\ntrue\n"); err == nil {
		t.Error("a block without an end")
	}
	for _, b := range []block{
		{what: "go", file: "a/b.go", text: "package b\n"}, {what: "diff", file: "a/b.go", text: " package c\n+\n"}, {what: "diff", file: "a/b.go", text: "+\n"},
		{what: "diff", file: "a/c.go", text: " package c\n"}, {what: "sh", text: "false"}, {what: "sh", text: "false | true"}, {what: "perl"},
	} {
		if err := b.follow(dir); err == nil {
			t.Errorf("%+v was followed", b)
		}
	}
	if !slices.ContainsFunc(list, func(b block) bool { return b.what == "diff" }) {
		t.Error("no diff")
	}
}
