package pidwire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/pidwire/pidwire/"

// mayImport has the packages of ours that each layer may import. A package in a layer's directory
// belongs to that layer, and may import the others of it.
var mayImport = map[string][]string{
	"event":      {},
	"wire":       {},
	"syscalls":   {"event", "wire"},
	"decode":     {"event", "wire", "syscalls", "foreign", "dns"},
	"dns":        {},
	"bounded":    {},
	"flow":       {"event", "bounded"},
	"stage":      {"event", "bounded"},
	"proto":      {"event", "bounded", "dns"},
	"merge":      {"event", "wire", "syscalls"},
	"pcapfilter": {},
	"foreign":    {},
	"source":     {"event", "wire", "syscalls", "pcapfilter", "foreign"},
	"target":     {"source"},
	"bundle":     {"wire", "decode", "flow", "event", "bounded"},
	"sink":       {"event", "dns"},
	"sandbox":    {},
	"outfile":    {},
	"rooms":      {"wire", "sandbox"},
	"collect":    {"wire", "source"},
	"why":        {"event"},
	"pipeline":   {"wire", "decode", "flow", "stage", "why", "proto", "bounded", "merge", "source", "sink", "event"},
	"cli":        {"event", "wire", "syscalls", "decode", "flow", "proto", "why", "merge", "pcapfilter", "foreign", "source", "target", "bundle", "sink", "pipeline", "sandbox", "outfile", "rooms", "collect"},
}

// pure layers do not access the machine.
var pure = []string{"event", "wire", "syscalls", "decode", "dns", "bounded", "flow", "stage", "proto", "why", "merge", "pcapfilter", "foreign"}

// impure are packages that pure layers must not import.
var impure = []string{"os", "net", "time", "log", "sync", "context", "syscall", "golang.org/x/sys/unix"}

// TestLayering parses the imports itself: with `go list` in a subprocess, go test could use a
// cached result.
func TestLayering(t *testing.T) {
	seen := map[string]int{}
	for file, imports := range imports(t, "internal") {
		dir := strings.TrimPrefix(path.Dir(file), "internal/")
		layer, _, _ := strings.Cut(dir, "/")
		allowed, known := mayImport[layer]
		if !known {
			t.Errorf("%s: layer %q has no rule in layering_test.go", file, layer)
			continue
		}
		if dir == "wire/gen" || dir == "foreign/keys/gen" {
			continue // a generator, run only during development
		}
		seen[layer]++
		for _, imp := range imports {
			if ours, ok := strings.CutPrefix(imp, module+"internal/"); ok {
				to, _, _ := strings.Cut(ours, "/")
				if to != layer && !slices.Contains(allowed, to) {
					t.Errorf("%s imports %s: %s may import %v only", file, ours, layer, allowed)
				}
				continue
			}
			if slices.Contains(pure, layer) && slices.Contains(impure, imp) && dir != "proto/prototest" {
				t.Errorf("%s imports %s: %s is pure", file, imp, layer)
			}
			if layer == "sink" && (imp == "os" || imp == "net" || imp == "syscall") {
				t.Errorf("%s imports %s: a sink asks the machine nothing", file, imp)
			}
		}
	}
	for layer := range mayImport {
		if seen[layer] == 0 {
			t.Errorf("no file of layer %s was looked at", layer)
		}
	}
}

// TestPackageDoc checks that every package has a package comment.
func TestPackageDoc(t *testing.T) {
	docs := map[string]bool{}
	walk(t, ".", func(file string, f *ast.File) {
		dir := path.Dir(file)
		docs[dir] = docs[dir] || f.Doc != nil
	}, parser.ParseComments|parser.PackageClauseOnly)
	for dir, ok := range docs {
		if !ok && dir != "." {
			t.Errorf("package in %s has no doc comment", dir)
		}
	}
	if len(docs) < 10 {
		t.Errorf("only %d packages were looked at", len(docs))
	}
}

func imports(t *testing.T, root string) map[string][]string {
	out := map[string][]string{}
	walk(t, root, func(file string, f *ast.File) {
		list := []string{}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
		out[file] = list
	}, parser.ImportsOnly)
	return out
}

func walk(t *testing.T, root string, do func(string, *ast.File), mode parser.Mode) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != "." || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, mode)
		if err != nil {
			return err
		}
		do(filepath.ToSlash(p), f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
