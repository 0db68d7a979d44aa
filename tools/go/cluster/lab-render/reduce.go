package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// reduce keeps of an object what decides which images run.
func reduce(from found) Object {
	kind := from.object.GroupVersionKind()
	reduced := Object{
		APIVersion: from.object.GetAPIVersion(),
		Kind:       kind.Kind,
		Namespace:  from.object.GetNamespace(),
		Name:       from.object.GetName(),
		File:       from.file,
	}
	switch {
	case strings.HasSuffix(kind.Group, fluxGroup):
		reduced.Spec, _, _ = unstructured.NestedMap(from.object.Object, "spec")
	case kind.Group == "" && (kind.Kind == "ConfigMap" || kind.Kind == "Secret"):
		// What they hold is text, whatever it is called.
	default:
		reduced.Images = imagesIn(from.object.Object, "")
	}
	return reduced
}

// imagesIn finds each field `image`, wherever it is: in containers of any pod template, in volumes, in kinds to come.
func imagesIn(value any, at string) []Image {
	var all []Image
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			place := strings.TrimPrefix(at+"."+key, ".")
			if key == "image" {
				if image := imageOf(value[key]); image != "" {
					all = append(all, Image{At: short(place), Image: short(image)})
					continue
				}
			}
			all = append(all, imagesIn(value[key], place)...)
		}
	case []any:
		for index, item := range value {
			all = append(all, imagesIn(item, fmt.Sprintf("%s[%s]", at, nameIn(item, index)))...)
		}
	}
	return all
}

// imageOf gives the image that a field `image` names: as text, or in a volume as its `reference`.
func imageOf(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case map[string]any:
		reference, _ := value["reference"].(string)
		return reference
	}
	return ""
}

func nameIn(item any, index int) string {
	if item, ok := item.(map[string]any); ok {
		if name, ok := item["name"].(string); ok && name != "" {
			return name
		}
	}
	return fmt.Sprint(index)
}
