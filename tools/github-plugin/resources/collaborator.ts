import { z } from "zod";
import { needs, repositoryPath, text, type GithubResource } from "../resource.ts";

const Collaborators = z.array(z.object({ login: z.string() }));
const Invitations = z.array(z.object({ id: z.int(), invitee: z.object({ login: z.string() }).nullable() }));

/** github:index/repositoryCollaborator:RepositoryCollaborator */
export const collaborator: GithubResource = {
  replaceOn: ["permission", "repository", "username"],

  async create(scope, inputs) {
    const [repository, username] = [text(inputs, "repository"), text(inputs, "username")];
    const { body } = await scope.api.send({
      method: "PUT",
      path: `${repositoryPath(scope, inputs)}/collaborators/${username}`,
      body: { permission: inputs["permission"] ?? "push" },
      purpose: `invite ${username} to ${repository}`,
      needs,
    });
    // Nobody is invited who is in the organization already.
    const invitation = z.object({ id: z.int() }).safeParse(body);
    return {
      id: `${repository}:${username}`,
      state: { ...inputs, ...(invitation.success && { invitationId: String(invitation.data.id) }) },
    };
  },

  async read(scope, _id, state) {
    const [repository, username] = [text(state, "repository"), text(state, "username").toLowerCase()];
    const list = async (what: string) =>
      (
        await scope.api.send({
          method: "GET",
          path: `${repositoryPath(scope, state)}/${what}?per_page=100`,
          purpose: `list the ${what} of ${repository}`,
          needs,
          mayAnswer: [404],
        })
      ).body;
    const invited = Invitations.safeParse(await list("invitations"));
    if (invited.data?.some(({ invitee }) => invitee?.login.toLowerCase() === username)) return state;
    const there = Collaborators.safeParse(await list("collaborators"));
    return there.data?.some(({ login }) => login.toLowerCase() === username) ? state : undefined;
  },

  async update(_scope, _id, inputs) {
    return inputs;
  },

  async remove(scope, _id, state) {
    const username = text(state, "username");
    await scope.api.send({
      method: "DELETE",
      path: `${repositoryPath(scope, state)}/collaborators/${username}`,
      purpose: `take ${username} off ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
  },
};
