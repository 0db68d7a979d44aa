# shellcheck shell=bash
# What the scripts of the pipeline have in common. They run in a clone of the whole history, need only git, crane and what
# every Linux has, and are told what to do by the repository: each looks at what the main branch says, finds what of it is
# not done yet, and does that. So a run may be repeated, and one that GitHub left out is made up for by the next.
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=settings.sh
. "$here/settings.sh"

journal=refs/notes/pipeline
export GIT_AUTHOR_NAME=gitops-lab-pipeline GIT_AUTHOR_EMAIL=gitops-lab-pipeline@localhost
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# --- telling -------------------------------------------------------------------------------------------------------------

# The runner reads its own commands from the output: nothing of the repository may begin a line of it.
annotate() {
  local text=${2//'%'/%25}
  text=${text//$'\r'/%0D}
  printf '::%s::%s\n' "$1" "${text//$'\n'/%0A}"
}
say() { annotate notice "$1"; }
complain() { annotate error "$1"; }

# --- Git -----------------------------------------------------------------------------------------------------------------

# Looks at the server anew.
refresh() {
  git fetch --quiet --prune origin '+refs/heads/*:refs/remotes/origin/*' '+refs/notes/*:refs/notes/*'
  tip=$(git rev-parse "refs/remotes/origin/$main")
}

record_path() { echo "promotion/$1.yaml"; }
overlay_path() { echo "flux/apps/backend/$1/kustomization.yaml"; }
proposal_branch() { echo "image-updates/$1"; }

resolve() { git rev-parse --verify --quiet "$1" || true; }
# The text of a file at a commit; nothing where there is none.
file_at() { git cat-file blob "$1:$2" 2>/dev/null || true; }
# The same without the mark that some editors begin UTF-8 with.
text_at() { file_at "$1" "$2" | sed $'1s/^\xef\xbb\xbf//'; }
# Whether a file is UTF-16, and what to say of it.
utf16() { case $(file_at "$1" "$2" | head -c 2 | od -An -tx1 | tr -d ' \n') in fffe | feff) return 0 ;; *) return 1 ;; esac; }
utf16_problem='is UTF-16, which is what PowerShell writes with `>`, and must be UTF-8. Save it with the encoding UTF-8, in PowerShell with `Out-File -Encoding utf8` in place of `>`'
# The newest commit below a tip that changed a path.
last_change() { git log --format=%H --max-count=1 "$1" -- "$2"; }
# Whether a path is as the lab made it. The lab asks for what it deployed itself; that is not judged.
is_seed() { [ "$(git log --format=%H "$1" -- "$2" | wc -l)" -le 1 ]; }

trailer() { echo "Promotion: $1 $2"; }
# The commit that carried out a promotion of an environment.
carried_out() { git log --format=%H --max-count=1 --grep="^$(trailer "$1" "$2")\$" "$tip"; }

json() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  printf '"%s"' "$(printf %s "$text" | tr -d '\000-\037')"
}

# note <commit> <event> <name> <value>...: a line in the journal, and on the server before this returns.
note() {
  local commit=$1 event=$2 line
  shift 2
  line="{\"event\":\"$event\",\"at\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\""
  while [ $# -gt 0 ]; do
    line+=",\"$1\":$(json "$2")"
    shift 2
  done
  for _ in 1 2 3 4 5; do
    git notes --ref="$journal" append --message "$line}" "$commit"
    git push --quiet origin "$journal:$journal" 2>"$work/push" && return
    # Another run wrote meanwhile; its lines come first.
    git fetch --quiet origin "+$journal:$journal"
  done
  cat "$work/push" >&2
  complain "The journal of ${commit:0:7} could not be written: it moved five times, or this job may not push to $journal."
  return 1
}

# Whether the journal of a commit has a line with all of these texts.
noted() {
  local lines
  lines=$(git notes --ref="$journal" show "$1" 2>/dev/null || true)
  shift
  for text in "$@"; do lines=$(grep -F -- "$text" <<<"$lines" || true); done
  [ -n "$lines" ]
}

# --- what files say ------------------------------------------------------------------------------------------------------

# Prints the tag and the digest that an overlay (on standard input) gives the backend; nothing where it gives none.
image_of() {
  awk -v repository="$image_repository" '
    function value(line) { sub(/^[^:]*:[ \t]*/, "", line); sub(/[ \t]+#.*$/, "", line); gsub(/["\047]|[ \t]+$/, "", line); return line }
    function end_of_entry() { if (inside && (name == repository) && !found) { print tag; print digest; found = 1 } name = tag = digest = "" }
    /^images:/ { inside = 1; next }
    /^[^ \t#-]/ { end_of_entry(); inside = 0 }
    inside && /^[ \t]*-[ \t]/ { end_of_entry(); sub(/-/, " ") }
    inside && /^[ \t]*name:/ && name == "" { name = value($0) }
    inside && /^[ \t]*newName:/ { name = value($0) }
    inside && /^[ \t]*newTag:/ { tag = value($0) }
    inside && /^[ \t]*digest:/ { digest = value($0) }
    END { end_of_entry() }'
}

# Rewrites an overlay (standard input to output) to another tag and digest of the backend; all else stays as it was.
with_image() {
  awk -v repository="$image_repository" -v tag="$1" -v digest="$2" '
    function value(line) { sub(/^[^:]*:[ \t]*/, "", line); sub(/[ \t]+#.*$/, "", line); gsub(/["\047]|[ \t]+$/, "", line); return line }
    function put(line, text) { match(line, /^[ \t-]*[A-Za-z]+:[ \t]*/); rest = substr(line, RLENGTH + 1); head = substr(line, 1, RLENGTH); sub(/^[^ \t]*/, "", rest); return head text rest }
    function flush(i) { for (i = 1; i <= count; i++) { if (name == repository) { if (lines[i] ~ /^[ \t-]*newTag:/) lines[i] = put(lines[i], tag); if (lines[i] ~ /^[ \t-]*digest:/) lines[i] = put(lines[i], digest) } print lines[i] } count = 0; name = "" }
    /^images:/ { flush(); inside = 1; print; next }
    /^[^ \t#-]/ { flush(); inside = 0 }
    inside && /^[ \t]*-[ \t]/ { flush() }
    { lines[++count] = $0; line = $0; sub(/^[ \t]*-/, "", line) }
    inside && line ~ /^[ \t]*name:/ && name == "" { name = value(line) }
    inside && line ~ /^[ \t]*newName:/ { name = value(line) }
    END { flush() }'
}

# read_image <commit> <environment>: sets image_tag and image_digest, empty where the overlay says nothing.
read_image() {
  local both
  both=$(file_at "$1" "$(overlay_path "$2")" | image_of)
  image_tag=$(sed -n 1p <<<"$both")
  image_digest=$(sed -n 2p <<<"$both")
}

# read_record <commit> <environment>: sets record_tag and record_digest; or record_problem, a clause.
read_record() {
  local line key text keys=' ' in_note=
  record_tag='' record_digest='' record_problem=''
  local must='must have `tag` and `digest`, and may have a `note`'
  if utf16 "$1" "$(record_path "$2")"; then
    record_problem=$utf16_problem
    return
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    case $line in
      '' | '#'* | '---') continue ;;
      ' '*) [ -n "$in_note" ] && continue ;;
    esac
    in_note=''
    if ! [[ $line =~ ^([A-Za-z_]+):([[:space:]]+(.*))?$ ]]; then
      record_problem="is not valid YAML of one \`key: value\` a line: \"$line\""
      return
    fi
    key=${BASH_REMATCH[1]}
    text=$(sed -E 's/[[:space:]]+#.*$//; s/[[:space:]]+$//; s/^"(.*)"$/\1/; s/^'\''(.*)'\''$/\1/' <<<"${BASH_REMATCH[3]-}")
    case $keys in
      *" $key "*) record_problem="is not valid YAML: Map keys must be unique"; return ;;
    esac
    keys+="$key "
    case $key in
      tag) record_tag=$text ;;
      digest) record_digest=$text ;;
      note) in_note=yes ;;
      *) record_problem="$must: Unrecognized key: \"$key\""; return ;;
    esac
  done < <(text_at "$1" "$(record_path "$2")")
  if [ -z "$record_tag" ]; then
    record_problem="$must: \`tag\`: Invalid input: expected string, received undefined"
  elif ! [[ $record_digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
    record_problem="$must: \`digest\`: must be sha256: and 64 hexadecimal digits"
  fi
}

# --- tags and the registry -----------------------------------------------------------------------------------------------

# parse_tag <tag>: sets tag_environment, tag_version, tag_revision, tag_created; fails for any other text.
parse_tag() {
  local order
  order=$(IFS='|'; echo "${environments[*]}")
  [[ $1 =~ ^($order)-v([0-9]+\.[0-9]+\.[0-9]+)-([0-9a-f]{7,40})-([0-9]{10})$ ]] || return 1
  tag_environment=${BASH_REMATCH[1]} tag_version=${BASH_REMATCH[2]} tag_revision=${BASH_REMATCH[3]} tag_created=${BASH_REMATCH[4]}
}

# Crane with the job's credential, which nothing else sees.
registry() {
  local insecure=()
  [ "$insecure_registry" = true ] && insecure=(--insecure)
  if ! [ -d "$work/docker" ]; then
    mkdir -m 700 "$work/docker"
    if [ -n "${REGISTRY_PASSWORD-}" ]; then
      DOCKER_CONFIG=$work/docker crane auth login "${image_repository%%/*}" --username "$REGISTRY_USERNAME" --password-stdin <<<"$REGISTRY_PASSWORD" 2>"$work/login" ||
        { cat "$work/login" >&2; return 1; }
    fi
  fi
  DOCKER_CONFIG=$work/docker crane "$@" "${insecure[@]}"
}

# Every tag of the image, a line each, into the variable `tags`.
read_tags() { tags=$(registry ls "$image_repository"); }
has_tag() { [ -n "$1" ] && grep -qxF -- "$1" <<<"$tags"; }
digest_of() { registry digest "$image_repository:$1"; }

# The newest tag of an environment's family, the one that its policy selects.
newest_tag() {
  local tag
  while IFS= read -r tag; do
    if parse_tag "$tag" && [ "$tag_environment" = "$1" ]; then echo "$tag_created $tag"; fi
  done <<<"$tags" | sort -rn | sed -n '1s/^[0-9]* //p'
}

# A time later than that of every tag of the family, so that the newest made is the newest by name.
fresh_time() {
  local time newest
  time=$(date +%s)
  newest=$(newest_tag "$1")
  if parse_tag "$newest" && [ "$tag_created" -ge "$time" ]; then time=$((tag_created + 1)); fi
  echo "$time"
}

# Fails where a tag of the family leaves no room for a later one, so that the policy would pick it for ever.
require_room() {
  local newest
  newest=$(newest_tag "$1")
  if ! parse_tag "$newest" || [ "$tag_created" -lt 9967000000 ]; then return 0; fi
  complain "The tag $newest is in the way: it says that it was made in the year 2285 or later, so nothing newer would ever be picked. Delete it, on GitHub in the package's list of versions, elsewhere with \`crane delete $image_repository:$newest\`, and run this again."
  return 1
}
