#!/usr/bin/env bash
# Gives the image that an environment's record asks for a tag of that environment: the same image, never a rebuild.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# refusal <environment> <the one before>: why the record may not be carried out; nothing where it may.
refusal() {
  local environment=$1 previous=$2 path asks order digest
  path=$(record_path "$environment")
  asks="$path asks for \"$record_tag\""
  if ! parse_tag "$record_tag"; then
    echo "$asks, which is no immutable tag: a tag that can move says nothing of what was tested. Name the tag that $previous runs, $previous-v<version>-<revision>-<unix time>."
    return
  fi
  if [ "$tag_environment" != "$previous" ]; then
    order=$(printf ', then %s' "${environments[@]}")
    echo "$asks, an image of $tag_environment: $environment takes only what $previous runs. An image goes through ${order#, then }; none is skipped."
    return
  fi
  if ! has_tag "$record_tag"; then
    echo "$asks, and the registry has no such tag in $image_repository."
    return
  fi
  digest=$(digest_of "$record_tag")
  if [ "$digest" != "$record_digest" ]; then
    echo "$path says that $record_tag is $record_digest, but the registry has $digest under that tag. Either the digest is mistyped or somebody pushed over the tag: look at what $previous runs with \`kubectl get deploy backend -n $previous -o wide\`."
    return
  fi
  # GitHub's runners don't reach the cluster. That an environment runs an image is judged from Git: its overlay names
  # exactly that tag and digest, so Flux makes it run that. Whether its Pods are well is not known here.
  read_image "$tip" "$previous"
  if [ "$image_digest" != "$record_digest" ]; then
    echo "$asks ($record_digest), but $previous runs ${image_digest:-no image of $image_repository}: what did not run in $previous is not promoted to $environment."
  elif [ "$image_tag" != "$record_tag" ]; then
    echo "$asks, but $previous runs that image as ${image_tag:-no tag}: name the tag that $(overlay_path "$previous") names."
  fi
}

# promote <environment> <the one before>: fails where the promotion is refused.
promote() {
  local environment=$1 previous=$2 path commit sentence newest tag
  path=$(record_path "$environment")
  commit=$(last_change "$tip" "$path")
  [ -n "$commit" ] || return 0
  if [ -z "$(resolve "$tip:$path")" ]; then
    complain "$path is deleted; it says what $environment is asked to run. Put it back with \`git checkout $(git rev-parse --short=7 "$commit^") -- $path\`."
    return 1
  fi
  # Decided before, and once for all.
  if [ -n "$(carried_out "$environment" "$commit")" ] || noted "$commit" '"event":"promoted"' "\"environment\":\"$environment\""; then return 0; fi
  read_record "$tip" "$environment"
  if [ -n "$record_problem" ]; then
    complain "$path $record_problem."
    return 1
  fi
  # A record that asks for what the environment has promotes nothing: a rollback may take it back.
  read_image "$tip" "$environment"
  if [ "$image_digest" = "$record_digest" ]; then
    if has_tag "$image_tag" && [ "$(digest_of "$image_tag")" = "$record_digest" ]; then return 0; fi
  elif ! is_seed "$tip" "$path"; then
    sentence=$(refusal "$environment" "$previous")
    if [ -n "$sentence" ]; then
      complain "$sentence"
      noted "$commit" '"event":"promotion-failed"' "\"reason\":$(json "$sentence")" || note "$commit" promotion-failed environment "$environment" reason "$sentence"
      return 1
    fi
  fi
  require_room "$environment" || return 1
  newest=$(newest_tag "$environment")
  if [ -n "$newest" ] && [ "$(digest_of "$newest")" = "$record_digest" ]; then
    tag=$newest
  elif parse_tag "$record_tag"; then
    local version=$tag_version revision=$tag_revision
    tag=$environment-v$version-$revision-$(fresh_time "$environment")
    registry tag "$image_repository@$record_digest" "$tag" >/dev/null 2>"$work/tag" || { cat "$work/tag" >&2; return 1; }
  else
    return 0
  fi
  note "$commit" promoted environment "$environment" tag "$tag" digest "$record_digest"
  say "Promoted to $environment: $record_tag is now also $tag, the same image ($record_digest). Image automation brings it to $(overlay_path "$environment")."
}

refresh
read_tags
# One environment's refusal is none of another's promotion. A shell of its own for each, for `set -e` has no say in what is
# asked for its outcome.
failed=0
for ((index = 1; index < ${#environments[@]}; index += 1)); do
  set +e
  (set -e; trap - EXIT; promote "${environments[index]}" "${environments[index - 1]}")
  [ $? -eq 0 ] || failed=1
  set -e
done
exit "$failed"
