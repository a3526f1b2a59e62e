export const executablePath: string;
export function launchOptions(...further: string[]): { executablePath: string; args: string[] };
