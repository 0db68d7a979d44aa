#!/usr/bin/env bash
# Builds the app of the newest commit that changed it, once: one version is one image, never rebuilt.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

refresh
commit=$(last_change "$tip" app)
# The seed's own app was built before there was a repository.
if [ -z "$commit" ] || is_seed "$tip" app; then exit 0; fi

refuse() {
  complain "$1"
  exit 1
}

source=$(resolve "$tip:app")
before=$(git rev-parse --short=7 "$commit^")
[ -n "$source" ] || refuse "app/ is deleted; it is the source of the backend. Put it back with \`git checkout $before -- app\`."
# What was built of this very source. That a commit has it says nothing: of a push only what its commits come to is built.
history=$(git log --format=%H "$tip" -- app)
seed=${history##*$'\n'}
while IFS= read -r earlier; do
  [ "$(resolve "$earlier:app")" = "$source" ] || continue
  if [ "$earlier" != "$seed" ] && ! noted "$earlier" '"event":"built"'; then continue; fi
  [ "$earlier" = "$commit" ] || say "app/ is as it was at commit ${earlier:0:7}, of which there is an image; nothing is made anew."
  exit 0
done <<<"$history"
utf16 "$commit" app/VERSION && refuse "app/VERSION $utf16_problem."
version=$(text_at "$commit" app/VERSION | tr -d '[:space:]')
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

require_room "$develop" || exit 1
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
