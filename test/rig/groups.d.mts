export function hostFiles(root: string): string[];
