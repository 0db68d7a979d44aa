#!/usr/bin/env bash
# Takes what image automation proposes for an environment to the main branch, when it is what the current promotion asks for
# and that was not carried out before. Anything else stays a proposal, so a plain revert holds.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# hold <environment> <promotion> <tag> <reason>: says once why a proposal is left where it is.
hold() {
  if noted "$2" '"event":"held"' "\"environment\":\"$1\"" "\"tag\":\"$3\"" "\"reason\":$(json "$4")"; then return 0; fi
  note "$2" held environment "$1" tag "$3" reason "$4"
  say "$3 is kept out of $1: $4."
}

delete_branch() {
  git push --quiet --force-with-lease="refs/heads/$1:$2" origin ":refs/heads/$1" 2>/dev/null || true
}

# Returns 75 where the main branch moved meanwhile.
take() {
  local environment=$1 branch proposal commit carried tag digest old_tag old_digest new
  branch=$(proposal_branch "$environment")
  proposal=$(resolve "refs/remotes/origin/$branch")
  [ -n "$proposal" ] || return 0
  read_image "$proposal" "$environment"
  tag=$image_tag digest=$image_digest
  if ! parse_tag "$tag" || ! [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then return 0; fi
  read_image "$tip" "$environment"
  old_tag=$image_tag old_digest=$image_digest
  # An overlay that names no image of ours has none to replace.
  [ -n "$old_tag$old_digest" ] || return 0
  if [ "$tag" = "$old_tag" ] && [ "$digest" = "$old_digest" ]; then
    delete_branch "$branch" "$proposal"
    return 0
  fi
  commit=$(last_change "$tip" "$(record_path "$environment")")
  read_record "$tip" "$environment"
  if [ -z "$commit" ] || [ -n "$record_problem" ]; then return 0; fi
  carried=$(carried_out "$environment" "$commit")
  if [ -n "$carried" ]; then
    hold "$environment" "$commit" "$tag" "promotion ${commit:0:7} was carried out with ${carried:0:7}, once and for all; what came after stands"
    return 0
  fi
  if [ "$digest" != "$record_digest" ]; then
    hold "$environment" "$commit" "$tag" "$(record_path "$environment") asks for $record_digest, not for what this tag names"
    return 0
  fi
  # Only what was judged: the promotion writes down which tag it gave the image. It calls this script when it has.
  noted "$commit" '"event":"promoted"' "\"environment\":\"$environment\"" "\"tag\":\"$tag\"" "\"digest\":\"$digest\"" || return 0

  export GIT_INDEX_FILE=$work/index
  git read-tree "$tip"
  file_at "$tip" "$(overlay_path "$environment")" | with_image "$tag" "$digest" >"$work/overlay"
  if [ "$(image_of <"$work/overlay")" != "$tag"$'\n'"$digest" ]; then
    complain "$(overlay_path "$environment") has no \`newTag\` and \`digest\` of $image_repository to write to, a line each."
    return 1
  fi
  new=$(git hash-object -w "$work/overlay")
  git update-index --cacheinfo "100644,$new,$(overlay_path "$environment")"
  new=$(
    GIT_AUTHOR_NAME=$(git show --no-patch --format=%an "$proposal") GIT_AUTHOR_EMAIL=$(git show --no-patch --format=%ae "$proposal") \
      git commit-tree "$(git write-tree)" -p "$tip" <<MESSAGE
Update backend in $environment

$old_tag -> $tag
$old_digest -> $digest

$(trailer "$environment" "$commit")
MESSAGE
  )
  unset GIT_INDEX_FILE
  # Somebody may push at the same time; without force the branch only moves forward.
  git push --quiet origin "$new:refs/heads/$main" 2>"$work/push" || return 75
  note "$new" carried-out environment "$environment" promotion "$commit"
  delete_branch "$branch" "$proposal"
  say "$environment gets $tag with commit ${new:0:7}."
}

failed=0
for environment in "${environments[@]:1}"; do
  for _ in 1 2 3 4 5; do
    refresh
    set +e
    (set -e; trap - EXIT; take "$environment")
    status=$?
    set -e
    [ "$status" -eq 75 ] || break
  done
  if [ "$status" -eq 75 ]; then
    cat "$work/push" >&2
    complain "The proposal for $environment could not be taken to $main: the branch moved five times, or this job may not push to it."
  fi
  [ "$status" -eq 0 ] || failed=1
done
exit "$failed"
