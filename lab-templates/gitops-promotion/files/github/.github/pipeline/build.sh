#!/usr/bin/env bash
# Builds the app of the newest commit that changed it, once: one version is one image, never rebuilt.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

refresh
commit=$(last_change "$tip" app)
# The seed's own app was built before there was a repository.
if [ -z "$commit" ] || is_seed "$tip" app; then exit 0; fi
if noted "$commit" '"event":"built"'; then exit 0; fi

refuse() {
  complain "$1"
  exit 1
}

source=$(resolve "$commit:app")
before=$(git rev-parse --short=7 "$commit^")
[ -n "$source" ] || refuse "app/ is deleted; it is the source of the backend. Put it back with \`git checkout $before -- app\`."
# As it was at some commit before: a revert needs no new image.
while IFS= read -r earlier; do
  if [ "$(resolve "$earlier:app")" = "$source" ]; then exit 0; fi
done < <(git log --format=%H "$commit^" -- app)
version=$(file_at "$commit" app/VERSION | tr -d '[:space:]')
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || refuse "app/VERSION must hold the app's version, such as 0.3.0; it holds $(json "$version")."

develop=${environments[0]}
revision=${commit:0:7}
read_tags
while IFS= read -r tag; do
  parse_tag "$tag" && [ "$tag_environment" = "$develop" ] && [ "$tag_version" = "$version" ] || continue
  # An earlier run of this very build was ended before it wrote that down.
  if [ "$tag_revision" = "$revision" ]; then
    note "$commit" built version "$version" tag "$tag" digest "$(digest_of "$tag")"
    exit 0
  fi
  refuse "app/ changed, but its version is still $version, which is built already ($tag): one version is one image, never rebuilt. Raise app/VERSION in the same push."
done <<<"$tags"

tag=$develop-v$version-$revision-$(fresh_time "$develop")
# The source of that commit alone, whatever lies about in the clone.
mkdir "$work/app"
git archive "$commit:app" | tar -x -C "$work/app"
if ! docker build --build-arg "VERSION=$version" --build-arg "COMMIT=$revision" --tag "backend:$tag" "$work/app" >"$work/build" 2>&1; then
  # The log is the learner's; its lines are no commands to the runner.
  sed 's/^/| /' "$work/build"
  note "$commit" build-failed version "$version" reason "docker build failed: $(tail -n 5 "$work/build")"
  refuse "The build failed; no image was made. $(tail -n 5 "$work/build")"
fi
docker save --output "$work/image.tar" "backend:$tag"
registry push "$work/image.tar" "$image_repository:$tag" >/dev/null
digest=$(digest_of "$tag")
note "$commit" built version "$version" tag "$tag" digest "$digest"
say "Built $tag ($digest)."
