package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/kustomize"
	securefs "github.com/fluxcd/pkg/kustomize/filesys"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"
)

type builder struct {
	// The tree's folder.
	root string
	// What keeps kustomize in it.
	files filesys.FileSystem
}

func newBuilder(root string) (*builder, error) {
	files, err := securefs.MakeFsOnDiskSecure(root)
	if err != nil {
		return nil, errors.New("the tree can't be read")
	}
	return &builder{root, files}, nil
}

// build gives the objects that kustomize-controller would apply, in the steps in which it makes them.
func (b *builder) build(object *kustomizev1.Kustomization) ([]found, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	of := unstructured.Unstructured{Object: content}
	folder := filepath.Join(b.root, filepath.Join("/", object.Spec.Path))
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, errors.New("there is no such folder")
	}
	resources, err := b.kustomize(of, folder)
	if err != nil {
		return nil, err
	}
	var all []found
	for _, resource := range resources.Resources() {
		if resource.GetName() == "" || resource.GetKind() == "" || resource.GetApiVersion() == "" {
			return nil, errors.New("an object has no apiVersion, kind or name")
		}
		file := ""
		if origin, err := resource.GetOrigin(); err == nil && origin != nil {
			file = b.inTree(folder, origin.Path)
		}
		if err := resource.SetOrigin(nil); err != nil {
			return nil, err
		}
		if object.Spec.PostBuild != nil {
			always := object.GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways
			// Changes the resource in its place.
			_, err := kustomize.SubstituteVariables(context.Background(), nil, of, resource,
				kustomize.SubstituteWithDryRun(true), kustomize.SubstituteWithAlways(always))
			if err != nil {
				return nil, err
			}
		}
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		var plain map[string]any
		if err := yaml.Unmarshal(text, &plain); err != nil {
			return nil, err
		}
		items, err := flat(unstructured.Unstructured{Object: plain}, file)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	return all, nil
}

// kustomize runs kustomize on a folder with what the object adds to its kustomization.yaml, which is then as it was.
func (b *builder) kustomize(object unstructured.Unstructured, folder string) (resources resmap.ResMap, err error) {
	manifest, file, action, err := kustomize.NewGenerator(b.root, object).GenerateManifest(folder)
	if err != nil {
		return nil, err
	}
	manifest, err = withOrigins(manifest)
	if err != nil {
		return nil, err
	}
	var before []byte
	if action != kustomize.CreatedAction {
		if before, err = os.ReadFile(file); err != nil {
			return nil, errors.New("the tree can't be read")
		}
	}
	if err := os.WriteFile(file, manifest, 0o600); err != nil {
		return nil, errors.New("the tree can't be written")
	}
	defer func() {
		// Other Kustomizations of Flux may build on this folder.
		if action == kustomize.CreatedAction {
			err = errors.Join(err, os.Remove(file))
		} else {
			err = errors.Join(err, os.WriteFile(file, before, 0o600))
		}
	}()
	resources, err = b.run(folder)
	if openapi.GetSchemaVersion() != builtinSchema {
		// A schema of the tree's own stays for what is built next. Flux' own way begins and ends with none, but parses the
		// built-in one each time, which takes ten times as long.
		return kustomize.Build(b.files, folder)
	}
	return resources, err
}

var builtinSchema = openapi.GetSchemaVersion()

func (b *builder) run(folder string) (resources resmap.ResMap, err error) {
	// kustomize panics over some objects that are none.
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("kustomize can't read it: %v", panicked)
		}
	}()
	return krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}).Run(b.files, folder)
}

// withOrigins asks kustomize to note in each object the file that it comes from.
func withOrigins(manifest []byte) ([]byte, error) {
	var content map[string]any
	if err := yaml.Unmarshal(manifest, &content); err != nil {
		return nil, err
	}
	content["buildMetadata"] = []string{types.OriginAnnotations}
	return yaml.Marshal(content)
}

// inTree gives the path in the repository of what kustomize names from a folder.
func (b *builder) inTree(folder, path string) string {
	relative, err := filepath.Rel(b.root, filepath.Join(folder, path))
	if err != nil || path == "" || !filepath.IsLocal(relative) {
		return ""
	}
	return relative
}

// flat gives the items of a list, and what is none as it is: the API server takes both.
func flat(object unstructured.Unstructured, file string) ([]found, error) {
	if !object.IsList() {
		return []found{{object, file}}, nil
	}
	var all []found
	err := object.EachListItem(func(item runtime.Object) error {
		content, ok := item.(*unstructured.Unstructured)
		if !ok {
			return errors.New("a list has an item that is no object")
		}
		items, err := flat(*content, file)
		all = append(all, items...)
		return err
	})
	return all, err
}

// Where kustomize would load something remote to.
var temporary = regexp.MustCompile(regexp.QuoteMeta(os.TempDir()) + `/kustomize-[0-9]+`)

// clean makes an error fit for the learner: with the repository's paths, on one line, not long.
func (b *builder) clean(err error) string {
	text := strings.ReplaceAll(err.Error(), b.root+"/", "")
	text = strings.ReplaceAll(text, b.root, ".")
	return short(temporary.ReplaceAllString(text, "…"))
}

const maxWords = 600

func short(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	runes := []rune(text)
	if len(runes) <= maxWords {
		return text
	}
	// The cause stands at the end, what led there before it.
	return string(runes[:maxWords/3]) + " … " + string(runes[len(runes)-maxWords*2/3:])
}
