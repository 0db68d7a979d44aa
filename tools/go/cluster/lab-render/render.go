package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// More than any lab has.
const (
	maxKustomizations = 40
	maxObjects        = 5_000
)

// Result is what the program says: the Kustomizations, or why they can't be told.
type Result struct {
	Problem        *Problem        `json:"problem,omitempty"`
	Kustomizations []Kustomization `json:"kustomizations"`
}

type Problem struct {
	// Namespace and name of the Kustomization that can't be rendered.
	Kustomization string `json:"kustomization,omitempty"`
	// Its path.
	Path string `json:"path,omitempty"`
	// A clause.
	Says string `json:"says"`
}

// Kustomization is one of Flux' with what it applies.
type Kustomization struct {
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	File      string         `json:"file,omitempty"`
	Spec      map[string]any `json:"spec"`
	// Why it is not known what it applies, as a clause; then it has no objects.
	Unjudged string   `json:"unjudged,omitempty"`
	Objects  []Object `json:"objects"`
}

// Object is one that a Kustomization applies.
type Object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	// The file that it comes from, in the repository; empty where kustomize does not say.
	File   string  `json:"file,omitempty"`
	Images []Image `json:"images,omitempty"`
	// Of Flux' own kinds.
	Spec map[string]any `json:"spec,omitempty"`
}

// Image is a place in an object that names one.
type Image struct {
	At    string `json:"at"`
	Image string `json:"image"`
}

const fluxGroup = ".toolkit.fluxcd.io"

// renderAll renders the root Kustomization and every one that is found from there. Its error is the lab's own trouble;
// what is wrong with the files is the result's problem.
func renderAll(input *bufio.Reader, folder, rootPath, source string) (*Result, error) {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, errors.New("there is no place for temporary files")
	}
	tree := filepath.Join(folder, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		return nil, errors.New("there is no place for temporary files")
	}
	if err := writeTree(input, tree); err != nil {
		return nil, err
	}
	builder, err := newBuilder(tree)
	if err != nil {
		return nil, err
	}

	namespace, name, _ := strings.Cut(source, "/")
	root := kustomizationAt(namespace, name, rootPath)
	queue := []found{{object: root}}
	seen := map[string]bool{}
	result := &Result{Kustomizations: []Kustomization{}}
	objects := 0
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		key, _ := json.Marshal(next.object.Object)
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		if len(seen) > maxKustomizations {
			return &Result{Problem: &Problem{Says: "has more Kustomizations than can be judged"}}, nil
		}
		rendered, more, err := builder.kustomization(next, source)
		if err != nil {
			return &Result{Problem: &Problem{
				Kustomization: rendered.Namespace + "/" + rendered.Name,
				Path:          pathOf(rendered.Spec),
				Says:          builder.clean(err),
			}}, nil
		}
		objects += len(rendered.Objects)
		if objects > maxObjects {
			return &Result{Problem: &Problem{Says: "has more objects than can be judged"}}, nil
		}
		result.Kustomizations = append(result.Kustomizations, rendered)
		queue = append(queue, more...)
	}
	return result, nil
}

// found is a Kustomization that is to be rendered, and the file that it comes from.
type found struct {
	object unstructured.Unstructured
	file   string
}

func kustomizationAt(namespace, name, path string) unstructured.Unstructured {
	return unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kustomizev1.GroupVersion.String(),
		"kind":       kustomizev1.KustomizationKind,
		"metadata":   map[string]any{"namespace": namespace, "name": name},
		"spec": map[string]any{
			"interval":  "10m",
			"prune":     true,
			"path":      path,
			"sourceRef": map[string]any{"kind": "GitRepository", "name": name, "namespace": namespace},
		},
	}}
}

// kustomization renders one; what can't be known of it is said in it, and what is wrong with it is the error.
func (b *builder) kustomization(from found, source string) (Kustomization, []found, error) {
	object := from.object
	spec, _, _ := unstructured.NestedMap(object.Object, "spec")
	rendered := Kustomization{
		Namespace: object.GetNamespace(),
		Name:      object.GetName(),
		File:      from.file,
		Spec:      spec,
		Objects:   []Object{},
	}
	var typed kustomizev1.Kustomization
	// A field that the API does not know is pruned before Flux sees it, so it must not count here either.
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true); err != nil {
		rendered.Unjudged = "is not of the form that Flux' API has: " + short(err.Error())
		return rendered, nil, nil
	}
	if rendered.Unjudged = b.unjudged(&typed, source); rendered.Unjudged != "" {
		return rendered, nil, nil
	}
	resources, err := b.build(&typed)
	if err != nil {
		return rendered, nil, err
	}
	var more []found
	for _, resource := range resources {
		rendered.Objects = append(rendered.Objects, reduce(resource))
		if isKustomization(resource.object) {
			more = append(more, resource)
		}
	}
	return rendered, more, nil
}

func isKustomization(object unstructured.Unstructured) bool {
	kind := object.GroupVersionKind()
	return kind.Group == kustomizev1.GroupVersion.Group && kind.Kind == kustomizev1.KustomizationKind
}

// unjudged says what makes it impossible to tell from the repository what a Kustomization applies.
func (b *builder) unjudged(object *kustomizev1.Kustomization, source string) string {
	ref := object.Spec.SourceRef
	namespace := ref.Namespace
	if namespace == "" {
		namespace = object.Namespace
	}
	switch {
	case object.APIVersion != kustomizev1.GroupVersion.String():
		return "has the apiVersion " + short(object.APIVersion) + ", not " + kustomizev1.GroupVersion.String()
	case object.Namespace == "":
		return "has no namespace"
	case ref.Kind != "GitRepository" || namespace+"/"+ref.Name != source:
		return "takes what it applies from " + short(ref.Kind+" "+namespace+"/"+ref.Name) + ", not from this repository"
	case object.Spec.KubeConfig != nil:
		return "applies with another `kubeConfig`"
	case object.Spec.Decryption != nil:
		return "applies what is encrypted (`decryption`)"
	case object.Spec.PostBuild != nil && len(object.Spec.PostBuild.SubstituteFrom) > 0:
		return "puts values of the cluster into what it applies (`substituteFrom`)"
	case !b.knows(object.Spec.Path):
		return "has the path " + short(object.Spec.Path) + ", which is not below " + known + "/"
	}
	// Whether one is there decides what is applied, and outside of what is known that can't be told.
	for _, component := range object.Spec.Components {
		if object.Spec.IgnoreMissingComponents && !b.has(filepath.Join("/", object.Spec.Path, component)) {
			return "has the component " + short(component) + ", which is not below " + known + "/"
		}
	}
	return ""
}

// The only folder of the repository that the input has.
const known = "flux"

// knows tells whether all of a path is in the input, if it is anywhere.
func (b *builder) knows(path string) bool {
	path = filepath.Join("/", path)
	return path == "/"+known || strings.HasPrefix(path, "/"+known+"/")
}

func (b *builder) has(path string) bool {
	_, err := os.Stat(filepath.Join(b.root, path))
	return err == nil
}

func pathOf(spec map[string]any) string {
	path, _, _ := unstructured.NestedString(spec, "path")
	return short(path)
}
