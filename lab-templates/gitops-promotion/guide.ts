/** How to work in this lab, for the learner's handout; Markdown without a title. */
export const guide = `## Ship, promote, roll back

The repository is the only way into the cluster: Flux applies what its main branch says, and puts back what anyone changes by
hand. Its README names every folder. A tag is \`<environment>-v<version>-<revision>-<unix time>\` and never moves.

1. **Ship.** Change \`app/\`, raise \`app/VERSION\`, commit and push. The answer to the push names the tag that was built, once.
   Image automation writes it into \`flux/apps/backend/develop/kustomization.yaml\`, and develop runs it.
2. **Promote.** Write the tag and the digest that develop runs into \`promotion/staging.yaml\`, commit and push. The pipeline
   gives the same image a tag of staging; nothing is built again. When staging runs it, do the same with
   \`promotion/production.yaml\` and staging's tag.
3. **Roll back.** \`git revert\` the commit that brought the image, push, and leave it there. A promotion is carried out once, so
   the newest tag, which the policy still selects, does not come back. Develop has no such gate: there it does.

A push that breaks a rule (a skipped environment, a tag that can move, another digest, a second build of a version) is refused,
with a line that starts with \`remote: refused:\` and says why.

## The chapter's commands

| command | remark |
| --- | --- |
| \`flux get kustomizations -n flux-system\` | one Kustomization per environment, and what they share; all Ready, all at the commit that you pushed last |
| \`flux get images all -A\` | the scan of the registry, what each policy selected, what automation did |
| \`flux get image policy -A\` | the chapter leaves \`-A\` out. Here the policies live in the environments' namespaces, and without \`-A\` flux looks into flux-system only and finds none |
| \`kubectl get deploy -A -l app=backend -o wide\` | the image that each environment is to run, with tag and digest |
| \`kubectl get pods -A -l app=backend -o custom-columns=NAMESPACE:.metadata.namespace,IMAGE:.status.containerStatuses[0].imageID\` | the digest that each pod runs |
| \`flux reconcile source git flux-system\` | makes Flux look at the repository now; a push does that already |
| \`flux reconcile kustomization apps-production --with-source\` | the same for one environment |
| \`git log -1 --format=%H -- flux/apps/backend/production/kustomization.yaml\` | the commit to revert if the promotion goes wrong |

## What the pipeline noted

The pipeline writes down what it did with a commit as a Git note: what was received from whom and when, built, promoted, carried
out, and what it held back and why. Nobody else can write these notes.

\`\`\`sh
git fetch origin refs/notes/pipeline:refs/notes/pipeline
git log --notes=pipeline
\`\`\``;
