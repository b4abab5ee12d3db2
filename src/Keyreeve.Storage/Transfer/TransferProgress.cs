namespace Keyreeve.Storage;

/// <summary>How far a backup, restore or copy is.</summary>
/// <param name="Doing">What is done, as "writing" or "checking".</param>
/// <param name="Table">With which table.</param>
/// <param name="Rows">Rows of it done.</param>
/// <param name="Total">Rows it has.</param>
public readonly record struct TransferProgress(string Doing, string Table, long Rows, long Total);

/// <summary>A store or a backup cannot be moved; the message says why and what to do. What it should have become is not there, or is marked as unusable.</summary>
public sealed class TransferRefusedException(string message) : Exception(message);
