import type { Quiz } from "../quiz.ts";
import { ofImages } from "./quiz/images.ts";
import { ofOperations } from "./quiz/operations.ts";

/** The chapter's knowledge check. Its questions are the key: nothing outside `files/` reaches a learner's repository. */
export const quiz: Quiz = { questions: [...ofImages, ...ofOperations] };
