package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ringmaster/internal/dialogue"
	"ringmaster/scripts"
)

// scriptCommand is the parent of everything that is done with call scripts;
// every subcommand is a file of its own and one line here.
func scriptCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "script", Short: "call scripts (话术): check, try, publish, compare"}
	cmd.AddCommand(scriptCheckCommand())
	cmd.AddCommand(scriptGraphCommand())
	cmd.AddCommand(scriptTestCommand())
	cmd.AddCommand(scriptChatCommand())
	cmd.AddCommand(scriptReplayCommand())
	cmd.AddCommand(scriptSimulateCommand())
	cmd.AddCommand(scriptDiffCommand(), scriptPublishCommand(), scriptRollbackCommand(), scriptVersionsCommand())
	return cmd
}

// scriptFiles are the scripts under the paths, and the library of what they
// may use: lexicons and parts beside them, then the shipped ones.
func scriptFiles(paths []string) (files []string, lib *dialogue.Library, err error) {
	shared := map[string][]byte{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, err
		}
		if info.IsDir() {
			files, err = scriptsIn(path, files, shared)
		} else {
			files = append(files, path)
			err = sharedBeside(path, shared)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if len(files) == 0 {
		return nil, nil, errors.New("no script found: a script is a .yaml file that is no .test.yaml, lexicon.yaml or .part.yaml")
	}
	embedded, err := scripts.Shared()
	if err != nil {
		return nil, nil, err
	}
	shipped, err := dialogue.NewLibrary(embedded)
	if err != nil {
		return nil, nil, err
	}
	own, err := dialogue.NewLibrary(shared)
	return files, shipped.With(own), err
}

// maxScriptFile is a little more than the compiler reads, so that it is the
// one to say that a file is too large.
const maxScriptFile = 1 << 20

func scriptsIn(dir string, files []string, shared map[string][]byte) ([]string, error) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir() && filepath.Ext(path) == ".yml":
			return fmt.Errorf("%s would be left out: the file of a script ends in .yaml, so rename it", path)
		case d.IsDir() || filepath.Ext(path) != ".yaml" || strings.HasSuffix(path, ".test.yaml") || d.Name() == "courses.yaml":
			return nil
		case dialogue.Shared(filepath.ToSlash(path)):
			shared[path], err = readScript(path)
			return err
		}
		files = append(files, path)
		return nil
	})
	return files, err
}

// sharedBeside reads the lexicons and parts in the folder of one script.
func sharedBeside(path string, shared map[string][]byte) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := filepath.Join(filepath.Dir(path), e.Name()); !e.IsDir() && dialogue.Shared(filepath.ToSlash(name)) {
			if shared[name], err = readScript(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func readScript(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxScriptFile {
		return nil, fmt.Errorf("%s has %d bytes; a script has at most %d", path, info.Size(), maxScriptFile)
	}
	return os.ReadFile(path)
}
