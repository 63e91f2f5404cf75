/** The source files that pages link to, each as a page: what is in it, and nothing else. */
import { readFileSync } from "node:fs";
import { root, sourceFiles } from "../.vitepress/pages.ts";

interface SourcePage {
  params: { file: string };
  content: string;
}

export default {
  paths(): SourcePage[] {
    return sourceFiles().map((file) => {
      const text = readFileSync(root + file, "utf8");
      const language = /\.(ts|json|sh)$/.exec(file)?.[1] ?? "text";
      return { params: { file }, content: `\`\`\`\`${language}\n${text.trimEnd()}\n\`\`\`\`` };
    });
  },
};
