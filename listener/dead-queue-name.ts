/** Where what cannot be decoded goes. */
export const deadQueueName = (queue: string): string => `${queue}.dead`
